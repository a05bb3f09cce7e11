"""Invents a plausible Dutch gift shop and one of its days, the same from the same seed."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from connectors.sandbox.people import EU, customer, ean13
from connectors.sandbox.world import World, WorldArticle, WorldCustomer, WorldLine, WorldReceipt, cash_rounding, cents, line_total

if TYPE_CHECKING:
    from collections.abc import Sequence

_ZONE: Final = ZoneInfo("Europe/Amsterdam")
_HOME: Final = "NL"
_ZERO: Final = Decimal(0)
_STANDARD: Final = Decimal(21)
#: name, price of the first variant, VAT rate, label, variants (each a little dearer than the one before)
_CATALOGUE: Final = (
    ("Theelichthouder", "3.95", 21, "Wonen", ("wit", "groen", "koper", "antraciet")),
    ("Geurkaars", "12.50", 21, "Wonen", ("lavendel", "vijg", "sandelhout", "zeezout")),
    ("Vaas aardewerk", "17.95", 21, "Wonen", ("klein", "middel", "groot")),
    ("Kussen velours", "24.95", 21, "Wonen", ("okergeel", "petrol", "roze")),
    ("Fotolijst hout", "9.99", 21, "Wonen", ("10×15", "13×18", "20×30")),
    ("Mok “Goeiemorgen”", "8.75", 21, "Keuken", ("blauw", "geel", "terracotta")),
    ("Theedoek ruit", "6.45", 21, "Keuken", ("rood", "blauw", "zwart")),
    ("Houten lepel", "4.25", 21, "Keuken", ("kort", "lang", "met gaatjes")),
    ("Bakvorm", "14.95", 21, "Keuken", ("tulband", "cake", "madeleine")),
    ("Serveerplank acacia", "21.50", 21, "Keuken", ("rond", "lang")),
    ("Notitieboek A5", "7.95", 21, "Kantoor", ("gelinieerd", "blanco", "ruit")),
    ("Wenskaart", "2.75", 21, "Kantoor", ("verjaardag", "beterschap", "geboorte", "zomaar")),
    ("Cadeaupapier rol", "3.49", 21, "Kantoor", ("strepen", "stippen", "kraft")),
    ("Balpen messing", "11.25", 21, "Kantoor", ("fijn", "medium")),
    ("Kerstbal mondgeblazen", "5.95", 21, "Seizoen", ("rood", "goud", "ijsblauw", "pauw")),
    ("Paashaas keramiek", "8.95", 21, "Seizoen", ("zittend", "lopend")),
    ("Knuffel", "15.99", 21, "Kind", ("beer", "olifant", "vos", "uil")),
    ("Houten puzzel", "12.95", 21, "Kind", ("boerderij", "zee", "kaart van Nederland")),
    ("Prentenboek", "14.99", 9, "Kind", ("Kikker", "Maan", "Zaterdag")),
    ("Kookboek", "27.50", 9, "Keuken", ("soep", "taart")),
    ("Chocoladereep", "4.50", 9, "Lekkers", ("puur", "melk", "karamel zeezout", "hazelnoot")),
    ("Losse thee 100 g", "6.95", 9, "Lekkers", ("Earl Grey", "muntblad", "rooibos")),
    ("Stroopwafels blik", "8.49", 9, "Lekkers", ("klassiek", "honing")),
    ("Pot honing", "7.25", 9, "Lekkers", ("bloemen", "linde", "heide")),
    ("Boeket", "13.95", 9, "Bloemen", ("veld", "pluk", "luxe")),
    ("Zaadjes", "2.95", 9, "Bloemen", ("zonnebloem", "klaproos", "goudsbloem")),
    ("Postzegelvel", "11.40", 0, "Kantoor", ("Nederland 1", "Internationaal 1")),
)
_SERVICES: Final = (("GRAVEREN", "Graveren per stuk", "9.95"), ("INPAKKEN", "Inpakken als cadeau", "1.50"))
#: what happens at the till, shuffled and gone through again and again; most receipts are plain
_SCENES: Final = (
    "refund",
    "exchange",
    "voucher",
    "redeem",
    "discount",
    "shipping",
    "free",
    "give_away",
    "third",
    "correction",
    *["plain"] * 14,
)


def generate(seed: int, receipts: int = 60, *, day: date = date(2026, 3, 14)) -> World:
    """Invent a shop with about 80 articles, 30 customers and ``receipts`` receipts rung up on ``day``."""
    articles = _articles(Random(seed))  # noqa: S311 - a seeded simulation, not a secret
    customers = _customers()
    till = _Till(Random(seed + 1), articles, customers, day)  # noqa: S311 - the same
    return World(articles=articles, customers=customers, receipts=tuple(till.ring_up(receipts)), home_country=_HOME)


def _articles(random: Random) -> tuple[WorldArticle, ...]:
    articles: list[WorldArticle] = []
    for family, (name, first, rate, label, variants) in enumerate(_CATALOGUE, start=1):
        for step, variant in enumerate(variants):
            sku = f"{family:02d}{step + 1:03d}{'ABCD'[step]}"
            price = Decimal(first) + step * Decimal("0.50")
            articles.append(
                WorldArticle(
                    sku=sku,
                    name=f"{name} {variant}",
                    price=price,
                    vat_rate=Decimal(rate),
                    stock=Decimal(random.randint(60, 240)),
                    label=label,
                    ean=ean13(sku) if random.random() < 0.8 else None,  # noqa: PLR2004 - four of five carry a barcode
                    purchase_price=cents(price * 100 / (100 + rate) * Decimal("0.45")),
                )
            )
    articles += [WorldArticle(sku, name, Decimal(price), _STANDARD, _ZERO, is_service=True) for sku, name, price in _SERVICES]
    return tuple(articles)


def _customers() -> tuple[WorldCustomer, ...]:
    """Twenty-two customers at home, and abroad private ones and one company in the EU and one outside it."""
    at_home = [customer(f"{1000 + number}", _HOME) for number in range(22)]
    abroad = [customer(f"{2000 + number}", country) for number, country in enumerate(("BE", "DE", "FR", "GB", "US", "BE"))]
    firsts = ((3000, "BE"), (4000, "NO"))
    companies = [next(one for key in count(first) if (one := customer(str(key), country)).company) for first, country in firsts]
    return (*at_home, *abroad, *companies)


class _Till:
    """Rings up a day."""

    def __init__(self, random: Random, articles: Sequence[WorldArticle], customers: Sequence[WorldCustomer], day: date) -> None:
        self._random = random
        self._goods = [article for article in articles if not article.is_service]
        self._services = [article for article in articles if article.is_service]
        self._customers = customers
        self._day = day
        self._opens = datetime.combine(day, time(9), _ZONE).astimezone(UTC)

    def ring_up(self, receipts: int) -> list[WorldReceipt]:
        """Return the day's receipts in the order in which they were rung up."""
        scenes: list[str] = []
        while len(scenes) < receipts:
            scenes += self._random.sample(_SCENES, len(_SCENES))
        moments = sorted(self._random.sample(range(8 * 3600 + 1800), receipts))
        return [
            self._receipt(f"{self._day:%y%m%d}{number:03d}", scene, self._opens + timedelta(seconds=moment))
            for number, (scene, moment) in enumerate(zip(scenes[:receipts], moments, strict=True), start=1)
        ]

    def _receipt(self, number: str, scene: str, sold_at: datetime) -> WorldReceipt:
        known = scene == "shipping" or (self._random.random() < 0.3 and scene != "correction")  # noqa: PLR2004 - most are anonymous
        buyer = self._random.choice(self._customers) if known else None
        intra = buyer is not None and buyer.company is not None and buyer.country in EU and buyer.country != _HOME
        lines = self._lines(scene)
        if intra:
            lines = [WorldLine(line.kind, line.sku, line.text, line.quantity, line.unit_price, _ZERO) for line in lines]
        total = sum((line_total(line) for line in lines), _ZERO)
        paymethod = "voucher" if scene == "redeem" else self._random.choices(("pin", "cash", "ideal"), (65, 25, 10))[0]
        rounding = cash_rounding(total) if paymethod == "cash" else _ZERO
        return WorldReceipt(
            number=number,
            sold_at=sold_at,
            customer_key=buyer.key if buyer is not None else None,
            lines=tuple(lines),
            paymethod=paymethod,
            rounding=rounding,
            gross=cents(total + rounding),
            is_correction=scene == "correction",
            intra_community=intra,
        )

    def _lines(self, scene: str) -> list[WorldLine]:
        if scene == "refund":
            return [self._product(quantity=-self._random.randint(1, 2))]
        if scene == "correction":
            return [self._product(quantity=-self._random.randint(1, 5), price=_ZERO)]
        if scene == "third":
            # "three for a euro" on the shelf is a price with three decimals in the till
            return [self._product(quantity=3, price=Decimal("0.333")), self._product()]
        lines = [self._product(quantity=self._random.choice((1, 1, 1, 2, 3))) for _ in range(self._random.randint(1, 5))]
        if self._random.random() < 0.2:  # noqa: PLR2004 - one in five has something done to it
            service = self._random.choice(self._services)
            lines.append(WorldLine("product", service.sku, service.name, Decimal(1), service.price, service.vat_rate))
        return lines + self._extra(scene, sum((line_total(line) for line in lines), _ZERO))

    def _extra(self, scene: str, total: Decimal) -> list[WorldLine]:
        if scene == "exchange":
            return [self._product(quantity=-1)]
        if scene == "voucher":
            worth = self._random.choice((10, 25, 50))
            return [WorldLine("voucher", f"gift_{worth}", f"Cadeaubon € {worth}", Decimal(1), Decimal(f"{worth}.00"), _ZERO)]
        if scene == "discount":
            return [WorldLine("discount", "D", "Korting 10%", Decimal(-1), cents(total / 10), _STANDARD)]
        if scene == "shipping":
            return [WorldLine("shipping", "POST", "Verzendkosten", Decimal(1), Decimal("6.95"), _STANDARD)]
        if scene == "free":
            return [WorldLine("free", "M", "Diversen", Decimal(1), Decimal(self._random.randint(100, 2500)) / 100, _STANDARD)]
        if scene == "give_away":
            return [self._product(price=_ZERO)]
        return []

    def _product(self, *, quantity: int = 1, price: Decimal | None = None) -> WorldLine:
        article = self._random.choice(self._goods)
        keyed = article.sku.lower() if self._random.random() < 0.1 else article.sku  # noqa: PLR2004 - one in ten is keyed in carelessly
        gross = article.price if price is None else price
        return WorldLine("product", keyed, article.name, Decimal(quantity), gross, article.vat_rate)
