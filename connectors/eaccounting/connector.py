"""The books: Visma eAccounting as the engine sees it (:class:`connectors.port.Books`)."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from connectors.boundary import understood
from connectors.eaccounting import diagnose, translate, wire
from connectors.eaccounting.api import Api
from connectors.eaccounting.errors import BAD_QUERY
from connectors.eaccounting.listing import (
    DOCUMENT_PAGE,
    Listing,
    any_of,
    chunks,
    literal,
    read_all,
    read_page,
    read_since,
)
from connectors.eaccounting.reference_cache import Registers
from connectors.eaccounting.signin import TokenKeeper
from connectors.eaccounting.unknowns import Case, CreditRows, PaymentSign
from connectors.http import Budgets, HttpClient, open_transport
from connectors.port import Change, ConnectorError, Missing, Page, Rejected, Uncertain, Unfilterable, Unreadable
from connectors.sense import believed_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import date, datetime

    from connectors.eaccounting.config import EAccountingConfig
    from connectors.http import Transport
    from connectors.model import BookPayment, BooksFacts, Company, Customer, Document, DocumentDraft, MoneyAccount, Product, StockLevel
    from connectors.port import Clock, HttpGate, HttpObserver, TokenStore

R = TypeVar("R", bound=wire.Recorded)
D = TypeVar("D", bound=wire.Referenced)

#: how many keys go into one filter; above the other number the whole list costs fewer requests
_KEYS_AT_ONCE: Final = 25
#: so many runs of such terms still fit into one filter
_TERMS_AT_ONCE: Final = 2
_SKUS_ONE_BY_ONE: Final = 200
#: how old codings may be for who reads the articles from the beginning, in seconds
_FROM_THE_BEGINNING: Final = 30.0
#: prices as the vendor rounds them, not as it calculates with them
TWO_DECIMALS: Final = {"showPricesWithTwoDecimals": "true"}
#: a draft is booked with its own date, whatever the company's setting says
KEEP_DATE: Final = {"keepOriginalDraftDate": "true", "overrideCompanyKeepOriginalDraftDate": "true"}


class EAccounting:
    """One eAccounting company.

    Nothing is asked before the first call.  A ``transport`` that is given is shared and stays open.  ``jitter`` spreads repeated reads.
    """

    def __init__(
        self,
        config: EAccountingConfig,
        *,
        clock: Clock,
        tokens: TokenStore,
        observer: HttpObserver | None = None,
        gate: HttpGate | None = None,
        transport: Transport | None = None,
        jitter: random.Random | None = None,
    ) -> None:
        self._config = config
        self._owned = open_transport(config.in_flight) if transport is None else None
        pool = self._owned or transport
        budgets = Budgets(lambda _: config.requests_per_minute or None, clock=clock)
        http = HttpClient(
            config.name,
            clock=clock,
            budgets=budgets,
            user_agent=config.user_agent,
            observer=observer,
            gate=gate,
            in_flight=config.in_flight,
            transport=pool,
        )
        identity = HttpClient(
            config.name,
            clock=clock,
            budgets=Budgets(clock=clock),
            user_agent=config.user_agent,
            observer=observer,
            gate=gate,
            paced=True,
            timeout=10.0,
            deadline=20.0,
            transport=pool,
        )
        self._clock = clock
        self._keeper = TokenKeeper(config, http=identity, store=tokens, clock=clock, observer=observer)
        spread = jitter or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._api = Api(config, http=http, keeper=self._keeper, clock=clock, jitter=spread)
        self._registers = Registers(self._api, clock=clock, life=config.register_life_seconds)
        self._credit_rows = CreditRows()
        self._payment_sign = PaymentSign()
        self._case = Case(self._api)
        #: listings that turned out not to be filterable by the key
        self._unfilterable: dict[str, str] = {}

    @property
    def register_reads(self) -> Mapping[str, int]:
        """How often each register was really read."""
        return self._registers.reads

    async def aclose(self) -> None:
        """Close the connections, unless they were given."""
        if self._owned is not None:
            await self._owned.aclose()

    # -- products ------------------------------------------------------------------------------------------------------------------

    async def read_changes(self, since: datetime | None, *, after: Change[Any] | None = None) -> Page[Product]:
        """Return the articles changed at or after ``since``, or after ``after``, oldest first.

        Who reads from the beginning learns how things are: the codings are then not older than half a minute.
        """
        within = _FROM_THE_BEGINNING if since is None and after is None else None
        start = since if after is None else after.moment
        part = await read_since(self._api, self._articles(order="ChangedUtc,Number"), "ChangedUtc", lambda one: one.changed_utc, start)
        bad = [one.told for one in part.bad]
        changes = []
        for article, product in await self._products(part.records, within=within):
            if isinstance(product, Unreadable):
                bad.append((article.id, article.changed_utc, product.text))
            else:
                changes.append(Change(article.id, article.changed_utc, _version(product), product))
        return Page(tuple(changes), part.more, believed_clock(part.server_time, self._clock.now()), tuple(bad))

    async def get_product(self, product_id: str) -> Product:
        """Return one product; raises :class:`Missing`, and :class:`Unreadable` for an article that cannot be understood."""
        article = await self._api.read(f"/articles/{product_id}", wire.Article.model_validate_json, TWO_DECIMALS, addressed=True)
        [(_, product)] = await self._products([article])
        if isinstance(product, Unreadable):
            raise product
        return product

    async def find_products(self, skus: Iterable[str], *, within: float | None = None) -> Sequence[Product]:
        """Return every product that carries one of these SKUs, without regard to case; one that cannot be understood is left out.

        Each SKU is asked for as given and in capitals and small letters.  What that does not find is looked for in the whole list where the
        vendor's ``eq`` regards case.  ``within`` is how many seconds ago the VAT rates of the codings may have been read.
        """
        wanted = {sku.strip().casefold() for sku in skus if sku.strip()}
        spellings = sorted({form for sku in skus if (text := sku.strip()) for form in (text, text.upper(), text.lower())})
        articles = []
        if len(wanted) <= _SKUS_ONE_BY_ONE:
            for some in chunks(spellings, _KEYS_AT_ONCE):
                found, _ = await read_all(self._api, self._articles(order="Number", where=any_of("Number", some)))
                articles += found
        missed = wanted - {article.number.strip().casefold() for article in articles}
        if len(wanted) > _SKUS_ONE_BY_ONE or (missed and await self._case.regarded()):
            articles, _ = await read_all(self._api, self._articles(order="Number"))
        chosen = {article.id: article for article in articles if article.number.strip().casefold() in wanted}
        # One that cannot be understood is reported with its reason where changes are read.
        products = await self._products(chosen.values(), within=within) if chosen else []
        return [product for _, product in products if not isinstance(product, Unreadable)]

    async def stock_levels(self) -> Sequence[StockLevel]:
        """Return the stock of every article, read afresh; one that cannot be understood is left out."""
        articles, _ = await read_all(self._api, self._articles(order="Number"))
        stock_module = await self._registers.stock_module()
        return understood("GET /articles", lambda: [translate.stock_level(article, stock_module=stock_module) for article in articles])

    def _articles(self, *, order: str, where: str | None = None) -> Listing[wire.Article]:
        return Listing("/articles", wire.Article, order, where, query=TWO_DECIMALS)

    async def _products(
        self, articles: Collection[wire.Article], *, within: float | None = None
    ) -> list[tuple[wire.Article, Product | Unreadable]]:
        """Return each article with the product it is, or with the reason why it cannot be understood."""
        codings = await self._registers.codings({article.coding_id for article in articles}, within=within)
        stock_module = await self._registers.stock_module()
        return [(article, _understood(article, codings, stock_module=stock_module)) for article in articles]

    async def rates_version(self) -> str:
        """Return a digest of the rates of all sales categories, read now: articles take their rate from there."""
        rates = sorted((one.id, str(one.vat_rate_percent)) for one in (await self._registers.codings_now()).values())
        return hashlib.blake2b(repr(rates).encode(), digest_size=8).hexdigest()

    # -- customers -----------------------------------------------------------------------------------------------------------------

    async def find_customers(
        self, *, emails: Collection[str] = (), numbers: Collection[str] = (), ids: Collection[str] = ()
    ) -> Sequence[Customer]:
        """Return the customers with one of these e-mail addresses (without regard to case), numbers or ids, inactive ones too.

        An address that its spelling does not find is looked for in the whole list where the vendor's ``eq`` regards case: a customer whom a
        person wrote down in capitals must not be made a second time.
        """
        addresses = {email.strip().casefold(): email.strip() for email in emails if email.strip()}
        wanted = frozenset(number for number in numbers if number)
        spellings = sorted({spelling for address in addresses.values() for spelling in (address, address.lower())})
        terms = [any_of("EmailAddress", some) for some in chunks(spellings, _KEYS_AT_ONCE)]
        terms += [any_of("CustomerNumber", some) for some in chunks(sorted(wanted), _KEYS_AT_ONCE)]
        everybody = Listing("/customers", wire.CustomerRecord, None)
        found: dict[str, Customer] = {}
        for where in terms if len(terms) > _TERMS_AT_ONCE else [" or ".join(terms)] if terms else []:
            found |= _matching(await self._whole(replace(everybody, where=where)), addresses, wanted)
        there = {(customer.email or "").strip().casefold() for customer in found.values()}
        if set(addresses) - there and await self._case.regarded():
            found |= _matching(await self._whole(everybody), addresses, wanted)
        for one in sorted(set(ids) - set(found)):
            try:
                record = await self._api.read(f"/customers/{one}", wire.CustomerRecord.model_validate_json, addressed=True)
            except Missing:
                continue
            found[one] = translate.customer(record)
        return list(found.values())

    async def create_customer(self, customer: Customer) -> Customer:
        """Create a debtor and return it as the vendor keeps it, or with an empty id where the vendor answered without a body."""
        terms_id = await self._registers.terms_of_payment(self._config.terms_of_payment)
        outside_eu = await self._outside_eu(customer.invoice_address.country)
        body = _said(lambda: translate.new_customer(customer, terms_id=terms_id, outside_eu=outside_eu))

        def written(content: bytes) -> Customer:
            return translate.customer(wire.CustomerRecord.model_validate_json(content)) if content else replace(customer, id="")

        return await self._api.create("/customers", body, written)

    async def update_customer(self, customer_id: str, customer: Customer) -> None:
        """Write the fields of ``customer`` that are set and keep all others; writes nothing where nothing would change."""
        path = f"/customers/{customer_id}"
        raw = await self._api.read_raw(path)
        outside_eu = await self._outside_eu(customer.invoice_address.country or raw.get("InvoiceCountryCode"))
        body = _said(lambda: translate.changed_customer(raw, customer, outside_eu=outside_eu))
        if body != translate.writable(raw, wire.CUSTOMER_READ_ONLY):
            await self._api.replace(path, body)

    async def _outside_eu(self, country: str | None) -> bool:
        """Return whether a country is neither in the EU nor the company's own; an unknown one is taken as its own."""
        if not country:
            return False
        home = (await self._registers.settings()).country_code
        return country != home and country not in await self._registers.eu_countries()

    # -- documents -----------------------------------------------------------------------------------------------------------------

    async def find_documents(self, keys: Sequence[str]) -> Sequence[Document]:
        """Return the booked documents that carry one of these keys; raises :class:`Unfilterable`."""
        return await self._read(await self._by_key("/customerinvoices", wire.Invoice, keys))

    async def find_proposals(self, keys: Sequence[str]) -> Sequence[Document]:
        """Return the drafts that carry one of these keys; raises :class:`Unfilterable`."""
        return await self._read(await self._by_key("/customerinvoicedrafts", wire.InvoiceDraft, keys))

    async def documents_since(self, moment: datetime) -> Sequence[Document]:
        """Return every booked document changed at or after a moment, in the order of their numbers."""
        query = {"modifiedSinceUtc": literal(moment)}
        invoices = await self._whole(Listing("/customerinvoices", wire.Invoice, "InvoiceNumber", None, DOCUMENT_PAGE, query))
        return await self._read(invoices)

    async def proposals_since(self, moment: datetime) -> Sequence[Document]:
        """Return every draft created at or after a moment (drafts have no other), oldest first."""
        where = f"CreatedUtc ge {literal(moment)}"
        drafts = await self._whole(Listing("/customerinvoicedrafts", wire.InvoiceDraft, "CreatedUtc", where, DOCUMENT_PAGE))
        return await self._read(drafts)

    async def get_document(self, document_id: str) -> Document:
        """Return one booked document; raises :class:`Missing`."""
        path = f"/customerinvoices/{document_id}"
        [document] = await self._read([await self._api.read(path, wire.Invoice.model_validate_json, addressed=True)])
        return document

    @property
    def quantity_decimals(self) -> tuple[int, int]:
        """Rows of invoices: four by their description, two by their pattern; rows of drafts: two (OpenAPI, `*RowApi.Quantity`)."""
        return 4, 2

    async def book(self, draft: DocumentDraft) -> Document:
        """Book an invoice or credit.  It is final."""
        document, _ = await self._sent("/customerinvoices", translate.new_invoice, draft, wire.Invoice)
        return document

    async def propose(self, draft: DocumentDraft) -> Document:
        """Write an invoice draft and return it with the vendor's totals."""
        proposal, turned = await self._sent("/customerinvoicedrafts", translate.new_draft, draft, wire.InvoiceDraft)
        if not self._credit_rows.came_out_wrong(draft, proposal, turned=turned):
            return proposal
        try:
            return await self.revise(proposal.id, draft)
        except ConnectorError as error:
            raise Uncertain(f"the draft was written, but what follows failed: {error}", code=error.code) from error

    async def revise(self, proposal_id: str, draft: DocumentDraft) -> Document:
        """Replace what ``draft`` says of a draft, keep the rest, and return it as the vendor then has it; raises :class:`Missing`."""
        path = f"/customerinvoicedrafts/{proposal_id}"
        make = partial(translate.changed_draft, await self._api.read_raw(path))

        async def written() -> tuple[Document, bool]:
            _, turned = await self._credit_rows.either_way(
                draft, lambda turned: self._api.replace(path, self._body(make, draft, turned=turned))
            )
            [document] = await self._read([await self._api.read(path, wire.InvoiceDraft.model_validate_json, addressed=True)])
            return document, turned

        document, turned = await written()
        if self._credit_rows.came_out_wrong(draft, document, turned=turned):
            document, _ = await written()
        return document

    async def confirm(self, proposal: Document) -> Document:
        """Book a draft with its own date; the vendor checks the totals that were agreed.  Raises :class:`Missing` when it is gone."""
        path = f"/customerinvoicedrafts/{proposal.id}/convert"
        return await self._written(path, translate.agreed(proposal), wire.Invoice, KEEP_DATE, addressed=True, refers=False)

    async def withdraw(self, proposal_id: str) -> None:
        """Delete a draft; one that is gone already is no error."""
        try:
            await self._api.delete(f"/customerinvoicedrafts/{proposal_id}")
        except Missing:
            return

    async def register_payment(self, payment: BookPayment) -> None:
        """Register a payment.  It cannot be read back: compare what remains on the document before and after."""
        path = f"/customerinvoices/{payment.document_id}/payments"

        async def send(one: BookPayment) -> wire.PaymentAnswer:
            body = _said(lambda: translate.new_payment(one))
            return await self._api.create(path, body, wire.PaymentAnswer.model_validate_json, addressed=True)

        await self._payment_sign.either_way(payment, send)

    def _body(self, make: Callable[..., dict[str, Any]], draft: DocumentDraft, *, turned: bool) -> dict[str, Any]:
        return _said(lambda: make(draft, reference_field=self._config.reference_field, turned=turned))

    async def _sent(
        self, path: str, make: Callable[..., dict[str, Any]], draft: DocumentDraft, model: type[wire.Invoice | wire.InvoiceDraft]
    ) -> tuple[Document, bool]:
        """POST a document; return it and whether its rows were turned."""
        return await self._credit_rows.either_way(draft, lambda turned: self._written(path, self._body(make, draft, turned=turned), model))

    async def _written(
        self,
        path: str,
        body: dict[str, Any],
        model: type[wire.Invoice | wire.InvoiceDraft],
        query: Mapping[str, str] | None = None,
        **meaning: bool,
    ) -> Document:
        """POST a document and return it as the vendor answered.  All else is asked for before: once it is sent, doubt is uncertainty."""
        currency = await self._currency()

        def written(content: bytes) -> Document:
            return self._document(model.model_validate_json(content), currency)

        return await self._api.create(path, body, written, query, **meaning)

    async def _read(self, records: Sequence[wire.Invoice | wire.InvoiceDraft]) -> list[Document]:
        currency = await self._currency()
        return [understood(f"document {record.id}", partial(self._document, record, currency)) for record in records]

    def _document(self, record: wire.Invoice | wire.InvoiceDraft, currency: str) -> Document:
        field = self._config.reference_field
        if isinstance(record, wire.Invoice):
            return translate.document(record, reference_field=field, currency=currency)
        return translate.proposal(record, reference_field=field, currency=currency)

    async def _currency(self) -> str:
        return (await self._registers.settings()).currency_code or ""

    async def _by_key(self, path: str, model: type[D], keys: Sequence[str]) -> list[D]:
        """Return the documents of a listing that carry one of the keys.

        Raises:
            Unfilterable: the vendor does not filter on the reference field, now or earlier, or answers with documents that do not match.
        """
        field = self._config.reference_field
        wanted = {key.strip() for key in keys if key.strip()}
        if path in self._unfilterable:
            raise Unfilterable(f"GET {path} does not filter on {field}", code=self._unfilterable[path])
        found: dict[str, D] = {}
        for some in chunks(sorted(wanted), _KEYS_AT_ONCE):
            try:
                records = await self._whole(Listing(path, model, None, any_of(field, some), DOCUMENT_PAGE))
            except Rejected as error:
                if error.code not in BAD_QUERY:
                    raise
                self._unfilterable[path] = error.code
                raise Unfilterable(f"GET {path} does not filter on {field}: {error.text}", code=error.code) from error
            for record in records:
                key = translate.key(record, field)
                if key in wanted:
                    found[record.id] = record
                elif key.casefold() not in {one.casefold() for one in some}:
                    self._unfilterable[path] = ""
                    raise Unfilterable(f"GET {path} pays no attention to a filter on {field}")
        return list(found.values())

    async def _whole(self, listing: Listing[R]) -> list[R]:
        """Return every record of a listing of which none may be left out; raises :class:`Unreadable`."""
        records, bad = await read_all(self._api, listing)
        if bad:
            raise Unreadable(f"GET {listing.path}: record {bad[0].id}: {bad[0].reason.removeprefix(listing.path + ': ')}")
        return records

    # -- the company ---------------------------------------------------------------------------------------------------------------

    async def money_accounts(self) -> Sequence[MoneyAccount]:
        """Return the accounts on which payments can be registered."""
        return [translate.money_account(account) for account in (await self._registers.bank_accounts()).values()]

    async def company(self) -> Company:
        """Return which company these books belong to."""
        return translate.company(
            await self._registers.settings(),
            stock_module=await self._registers.stock_module(),
            eu_countries=await self._registers.eu_countries(),
        )

    async def facts(self) -> BooksFacts:
        """Return how the books are set up, for a check: reads only, and goes on past what it may not read."""
        return await diagnose.read(self._api, self._registers, tokens=self._keeper.current, clock=self._clock)

    async def first_open_day(self) -> date | None:
        """Return the day after the last one that is closed; ``None`` where nothing is."""
        locked_to = await self._registers.locked_to()
        return None if locked_to is None else locked_to + timedelta(days=1)

    async def server_time(self) -> datetime:
        """Return the vendor's clock, as a listing of one record tells it."""
        told = believed_clock(
            (await read_page(self._api, Listing("/units", wire.Recorded, None, size=1), 1)).server_time, self._clock.now()
        )
        if told is None:
            raise Unreadable("GET /units: the vendor tells no time that can be")
        return told


def _matching(records: Iterable[wire.CustomerRecord], addresses: Collection[str], numbers: Collection[str]) -> dict[str, Customer]:
    return {
        record.id: translate.customer(record)
        for record in records
        if (record.email_address or "").strip().casefold() in addresses or record.customer_number in numbers
    }


def _said(body: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return a body; what cannot be said in it, or is nothing that a shop has, is refused before it is sent."""
    return understood("what was to be written", body, error=Rejected)


def _understood(article: wire.Article, codings: Mapping[str, wire.Coding], *, stock_module: bool) -> Product | Unreadable:
    try:
        return understood(f"article {article.number}", partial(translate.product, article, codings, stock_module=stock_module))
    except Unreadable as error:
        return error


def _version(product: Product) -> str:
    """Return what changes whenever the product does, also when two changes share a moment or one leaves the moment alone."""
    return hashlib.blake2b(repr(product).encode(), digest_size=12).hexdigest()
