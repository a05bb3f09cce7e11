"""Reading everything that the decision on a receipt needs: many receipts in few requests, and nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.model import ZERO, LineKind
from connectors.port import Missing
from daemon.core.booked import Booked, read_booked
from daemon.core.booking import Hold, Skip, article_number, articles_needed, match_articles, reference, triage
from daemon.core.customers import is_anonymous, pseudonym
from daemon.core.debtors import DebtorFacts
from daemon.core.flow_registry import SALES
from daemon.core.message import message
from daemon.core.sale_plan import SaleFacts, Target, credit_key, revised
from daemon.state.port import Binding, IntentState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.model import Customer, Document, MoneyAccount, Product, Sale
    from daemon.core.booking import BookingRules
    from daemon.core.ids import LinkId
    from daemon.core.message import Text
    from daemon.engine.context import Context
    from daemon.flows.catalogue import Catalogue
    from daemon.flows.document_lookup import DocumentLookup
    from daemon.flows.targets.invoice import Invoices
    from daemon.state.port import Intent

SALE, CUSTOMER = "sale", "customer"
#: how often one receipt can have been booked anew where this is found out from the books alone
_REVISIONS = 4


class ReceiptFacts:
    """Gathers facts for receipts of one till."""

    def __init__(self, context: Context, catalogue: Catalogue, lookup: DocumentLookup, invoices: Invoices) -> None:
        self._context = context
        self._catalogue = catalogue
        self._lookup = lookup
        self._invoices = invoices

    async def whole(self, sale: Sale) -> Sale | None:
        """Return a receipt with its lines as the till has it now, ``None`` when the till has no such receipt."""
        try:
            return await self._context.till.get_sale(sale)
        except Missing:
            return None

    async def for_sales(
        self, sales: Mapping[str, Sale | None], rules: BookingRules, accounts: Sequence[MoneyAccount]
    ) -> dict[str, SaleFacts]:
        """Return the facts of whole receipts by their ids; raises the errors of the port."""
        context = self._context
        bindings = await context.store.bindings(context.pair_id, SALE, list(sales))
        booked = {one: read_booked(binding.target, binding.fingerprint) for one, binding in bindings.items()}
        unbooked = [sale for one, sale in sales.items() if sale is not None and booked.get(one) is None]
        found = await self._found(unbooked, rules)
        debtors = await self._debtors(unbooked_or_changed(sales, rules), rules)
        private = await self._invoices.private_prices_include_vat()
        facts = {}
        for record, sale in sales.items():
            intents = await context.store.intents(context.pair_id, record=record)
            known = booked.get(record)
            documents = found.get(record, []) if sale is not None or known is not None else await self._sent_for(intents)
            if known is None and sale is not None and len(documents) == 1 and not _sent(intents):
                known = await self._corrected_before(reference(sale, rules), documents[0])
            if known is None and not documents:
                known = await self._deleted_since(intents)
            named, articles, rounding = (None, [], None) if sale is None else await self._articles(sale, rules)
            facts[record] = SaleFacts(
                sale=sale,
                salt=context.salt,
                booked=known,
                document=await self._document(known),
                found=tuple(documents),
                holder=await self._holder(documents),
                rivals=await self._rivals(sale) if documents and sale is not None else 0,
                sent=_sent(intents),
                proposal=await self._proposal(intents, known),
                debtor=debtors.get(record),
                named=named,
                articles=tuple(articles),
                rounding_article=rounding,
                accounts=tuple(accounts),
                private_prices_include_vat=private,
            )
        return facts

    # -- documents ----------------------------------------------------------------------------------------------------------------
    async def _found(self, sales: Sequence[Sale], rules: BookingRules) -> dict[str, list[Document]]:
        """Return the documents that the books have of these receipts already, by the receipt's id."""
        if not sales:
            return {}
        keys = {sale.id: reference(sale, rules) for sale in sales}
        by_key = await self._lookup.existing(sorted(set(keys.values())), since=min(sale.sold_at for sale in sales))
        return {record: by_key[key] for record, key in keys.items() if key in by_key}

    async def _sent_for(self, intents: Sequence[Intent]) -> list[Document]:
        """Return the documents that were sent for a receipt which is gone from the till before this was remembered."""
        sent = [intent for intent in intents if _sent([intent])]
        keys = sorted({intent.reference for intent in sent})
        by_key = await self._lookup.existing(keys, since=min(intent.sent_at for intent in sent)) if sent else {}
        return [document for key in keys for document in by_key.get(key, ())]

    async def _deleted_since(self, intents: Sequence[Intent]) -> Booked | None:
        """Return what was booked of a receipt by a write that is known to have happened, where the document is gone again."""
        for intent in intents:
            booked = intent.operation == "document" and intent.state == IntentState.DONE and intent.remote_id
            if booked and "booked" in intent.memo:
                known = read_booked(intent.remote_id, intent.memo["booked"])
                if await self._document(known) is None:
                    return known
        return None

    async def _corrected_before(self, key: str, first: Document) -> Booked | None:
        """A document that this state knows nothing of may have been taken back and booked anew by an earlier one."""
        keys = [name for number in range(_REVISIONS) for name in (credit_key(key, number), revised(key, number + 1))]
        others = await self._lookup.existing(keys, since=first.changed_at or self._context.now())
        if not others:
            return None
        revision = max((number for number in range(_REVISIONS + 1) if revised(key, number) in others), default=0)
        current = others[revised(key, revision)][0] if revision else first
        return Booked(current.id, current.gross, current.currency, revision=revision, void=credit_key(key, revision) in others)

    async def _document(self, booked: Booked | None) -> Document | None:
        if booked is None or booked.target != Target.INVOICE:
            return None
        try:
            return await self._context.books.get_document(booked.document)
        except Missing:
            return None

    async def _proposal(self, intents: Sequence[Intent], booked: Booked | None) -> str:
        """Return the draft that was begun for this receipt and that the books still have."""
        if booked is not None and booked.target != Target.DRAFT:
            return ""
        confirmed = {one.reference for one in intents if one.operation == "document" and one.state == IntentState.DONE}
        for intent in intents:
            begun = intent.operation == "proposal" and intent.state in {IntentState.SENT, IntentState.DONE}
            if begun and intent.reference not in confirmed and (left := await self._lookup.proposal_of(intent)) is not None:
                return left
        return ""

    async def _holder(self, documents: Sequence[Document]) -> Text:
        """Return whose receipt of another till of the company a document is known to be."""
        for document in documents:
            holder = await self._context.store.holder(self._context.siblings, SALE, document.id)
            if holder is not None:
                return message("detail.receipt_of", receipt=holder.label, link=holder.owner)
        return ""

    async def _rivals(self, sale: Sale) -> int:
        """Count other receipts of the same number: tills begin to count anew."""
        pair = self._context.pair_id
        same = [one for one in await self._context.store.find_work(sale.number) if (one.pair, one.flow) == (pair, SALES.name)]
        return len({one.record for one in same if one.label == sale.number} - {sale.id})

    # -- articles -----------------------------------------------------------------------------------------------------------------
    async def _articles(self, sale: Sale, rules: BookingRules) -> tuple[Sale, list[Product], Product | None]:
        """Return the receipt under the numbers that its articles have now, these articles, and the one for rounding.

        What seems wrong is asked for once more, for it may have been cured.
        """
        named = await self._catalogue.under_its_numbers(sale, rules.sku_map.keys())
        articles = await self._catalogue.articles(articles_needed(named, rules))
        matched = match_articles(named, rules, articles)
        if isinstance(matched, Hold) and not matched.question:
            await self._catalogue.fresh([number for line in named.lines if (number := article_number(line, rules))])
            named = await self._catalogue.under_its_numbers(sale, rules.sku_map.keys())
            articles = await self._catalogue.articles(articles_needed(named, rules))
        rounding = rules.articles.get((LineKind.ROUNDING, ZERO))
        known = self._catalogue.at_hand([rounding]) if rounding else []
        return named, articles, next((article for article in known if article.active), None)

    # -- debtors ------------------------------------------------------------------------------------------------------------------
    async def _debtors(self, sales: Sequence[Sale], rules: BookingRules) -> dict[str, DebtorFacts]:
        """Return the debtors of these receipts as the books have them now, in one request for all addresses and one for all others."""
        context = self._context
        names = {sale.id: pseudonym(sale.customer.email or "", context.salt) for sale in sales if _named(sale) and sale.customer}
        known = await context.store.bindings(context.link_id, CUSTOMER, sorted(set(names.values()))) if names else {}
        emails = {sale.customer.email or "" for sale in sales if sale.id in names and sale.customer}
        found = list(await context.books.find_customers(emails=emails)) if emails else []
        absent = {binding.target for binding in known.values()} - {one.id for one in found}
        by_id = {one.id or "": one for one in [*found, *(await context.books.find_customers(ids=absent) if absent else ())]}
        default: tuple[Customer, ...] = ()
        if any(not _named(sale) for sale in sales):
            default = tuple(await context.books.find_customers(numbers=[rules.default_debtor]))
        facts = {}
        for sale in sales:
            name = names.get(sale.id, "")
            binding = known.get(name)
            facts[sale.id] = DebtorFacts(
                name,
                context.salt,
                None if binding is None else (binding.target, binding.fingerprint),
                _with_address(found, sale) if name else default,
                None if binding is None else by_id.get(binding.target),
            )
        return facts

    async def debtor(self, sale: Sale, rules: BookingRules) -> DebtorFacts:
        """Return the debtor of one receipt, read now."""
        return (await self._debtors([sale], rules))[sale.id]


def unbooked_or_changed(sales: Mapping[str, Sale | None], rules: BookingRules) -> list[Sale]:
    """Return the receipts for whose decision a debtor may be needed."""
    return [sale for sale in sales.values() if sale is not None and not isinstance(triage(sale, rules), Skip)]


def _named(sale: Sale) -> bool:
    return not is_anonymous(sale.customer)


def _with_address(found: Sequence[Customer], sale: Sale) -> tuple[Customer, ...]:
    address = (sale.customer.email or "").strip().casefold() if sale.customer else ""
    return tuple(one for one in found if (one.email or "").strip().casefold() == address)


def _sent(intents: Sequence[Intent]) -> bool:
    return any(one.operation == "document" and one.state != IntentState.REFUSED for one in intents)


def debtor_binding(link: LinkId, name: str, debtor: str, digest: str, *, private: bool) -> Binding:
    """Return what is remembered of a debtor: the id, and what the till said when it was last written."""
    return Binding(link, CUSTOMER, name, debtor, digest, "private" if private else "business")
