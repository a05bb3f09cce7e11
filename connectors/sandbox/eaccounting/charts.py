"""The four countries in which the vendor has this API (reference: eaccounting.md section 2), each with a plausible set-up."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from connectors.sandbox.eaccounting.chart import Chart, Coding, Ledger, codings

_NL_RATES: Final = (Decimal(21), Decimal(9), Decimal(0))
_SE_RATES: Final = (Decimal(25), Decimal(12), Decimal(0))
_NO_RATES: Final = (Decimal(25), Decimal(15), Decimal(0))
_FI_RATES: Final = (Decimal("25.5"), Decimal("13.5"), Decimal(0))
#: the first digit of a Nordic account tells its type
_NORDIC_TYPES: Final = (
    (1, "Assets", 1999), (2, "Equity and liabilities", 2999), (3, "Revenue", 3999), (4, "Cost of goods", 4999), (5, "Other costs", 7999),
    (6, "Financial items", 9999),
)  # fmt: skip

NETHERLANDS: Final = Chart(
    country="NL",
    currency="EUR",
    zone="Europe/Amsterdam",
    rates=_NL_RATES,
    accounts=(
        (500, "Eigen vermogen"),
        (1000, "Kas"),
        (1101, "Pinontvangsten onderweg"),
        (1102, "iDEAL-ontvangsten onderweg"),
        (1110, "Bank"),
        (1300, "Debiteuren"),
        (1520, "Af te dragen btw hoog"),
        (1521, "Af te dragen btw laag"),
        (1530, "Voorbelasting"),
        (1600, "Crediteuren"),
        (1940, "Uitgegeven cadeaubonnen"),
        (3000, "Voorraad handelsgoederen"),
        (4750, "Bankkosten"),
        (4900, "Afrondingsverschillen"),
        (7000, "Inkoopwaarde van de omzet"),
        (8000, "Omzet goederen hoog"),
        (8001, "Omzet goederen laag"),
        (8002, "Omzet goederen nul"),
        (8010, "Omzet diensten hoog"),
        (8011, "Omzet diensten laag"),
        (8012, "Omzet diensten nul"),
        (8030, "Omzet btw verlegd"),
        (8100, "Omzet binnen EU vrijgesteld"),
        (8110, "Omzet buiten EU vrijgesteld"),
        (8120, "Omzet binnen EU belast"),
    ),  # fmt: skip
    types=(
        (1, "Vaste activa en vermogen", 999),
        (2, "Vlottende activa en schulden", 2999),
        (3, "Voorraden", 3999),
        (4, "Kosten", 6999),
        (7, "Kostprijs van de omzet", 7999),
        (8, "Omzet", 9999),
    ),  # fmt: skip
    ledger=Ledger(1300, 1600, 4900, 4750, 8120, 8100, 8110, 8030),
    vat_codes=(("1", "Btw hoog", 1520), ("2", "Btw laag", 1521), ("3", "Btw nul", None), ("4", "Vrijgesteld", None)),
    codings=(
        *codings("Goederen", "Diensten", _NL_RATES, (8000, 8001, 8002, 8010, 8011, 8012)),
        Coding("vouchers", "Cadeaubonnen", "Gift vouchers", "Service", 3, 1940),
        Coding("rounding", "Afrondingsverschillen", "Rounding differences", "Service", 3, 4900),
    ),
    units=(
        ("Stuk", "Piece", "PCE", "st", "pcs"),
        ("Uur", "Hour", "HUR", "uur", "h"),
        ("Kilogram", "Kilogram", "KGM", "kg", "kg"),
        ("Meter", "Metre", "MTR", "m", "m"),
    ),  # fmt: skip
    terms=(
        ("30 dagen", "30 days", 30, 0),
        ("14 dagen", "14 days", 14, 0),
        ("Contant", "Cash", 0, 2),
        ("Pinbetaling", "Card payment", 0, 3),
    ),
    money=(
        ("Bank", "Bank", 1, 1110),
        ("Pin", "Card", 1, 1101),
        ("Kas", "Cash", 2, 1000),
        ("iDEAL", "iDEAL", 1, 1102),
        ("Cadeaubonnen", "Gift vouchers", 5, 1940),
    ),  # fmt: skip
    banks=("ABN AMRO", "ING", "Rabobank", "Triodos Bank"),
    helpers=("Vrije regel", "Verzending", "Korting"),
    voucher="Cadeaubon",
    rounding="Afrondingsverschil",
    debtor="Kassaklant",
    city="Amsterdam",
    postal_code="1011 AA",
    organisation_number="12345678",
    vat_number="NL001234560B01",
    phone="+31200000000",
    longest_year=24,
)

SWEDEN: Final = Chart(
    country="SE",
    currency="SEK",
    zone="Europe/Stockholm",
    rates=_SE_RATES,
    accounts=(
        (1460, "Lager av handelsvaror"),
        (1510, "Kundfordringar"),
        (1580, "Fordringar för kontokort"),
        (1910, "Kassa"),
        (1930, "Företagskonto"),
        (1931, "Swish"),
        (2081, "Aktiekapital"),
        (2421, "Ej inlösta presentkort"),
        (2440, "Leverantörsskulder"),
        (2611, "Utgående moms 25%"),
        (2621, "Utgående moms 12%"),
        (2641, "Ingående moms"),
        (3001, "Försäljning varor 25%"),
        (3002, "Försäljning varor 12%"),
        (3004, "Försäljning varor momsfri"),
        (3041, "Försäljning tjänster 25%"),
        (3042, "Försäljning tjänster 12%"),
        (3044, "Försäljning tjänster momsfri"),
        (3105, "Försäljning varor till land utanför EU"),
        (3106, "Försäljning varor till annat EU-land, momspliktig"),
        (3108, "Försäljning varor till annat EU-land, momsfri"),
        (3231, "Omvänd betalningsskyldighet byggtjänster"),
        (3740, "Öres- och kronutjämning"),
        (4010, "Inköp av varor"),
        (6570, "Bankkostnader"),
    ),  # fmt: skip
    types=_NORDIC_TYPES,
    ledger=Ledger(1510, 2440, 3740, 6570, 3106, 3108, 3105, 3231),
    vat_codes=(
        ("MP1", "Utgående moms 25%", 2611),
        ("MP2", "Utgående moms 12%", 2621),
        ("MF", "Momsfri försäljning", None),
        ("0", "Ingen moms", None),
    ),  # fmt: skip
    codings=(
        *codings("Varor", "Tjänster", _SE_RATES, (3001, 3002, 3004, 3041, 3042, 3044)),
        Coding("vouchers", "Presentkort", "Gift vouchers", "Service", 3, 2421),
        Coding("rounding", "Öresutjämning", "Rounding differences", "Service", 3, 3740),
    ),
    units=(("Styck", "Piece", "PCE", "st", "pcs"), ("Timme", "Hour", "HUR", "tim", "h"), ("Kilogram", "Kilogram", "KGM", "kg", "kg")),
    terms=(("30 dagar", "30 days", 30, 0), ("10 dagar", "10 days", 10, 0), ("Kontant", "Cash", 0, 2), ("Kort", "Card payment", 0, 3)),
    money=(
        ("Företagskonto", "Bank", 1, 1930),
        ("Kort", "Card", 1, 1580),
        ("Kassa", "Cash", 2, 1910),
        ("Swish", "Swish", 1, 1931),
        ("Presentkort", "Gift vouchers", 5, 2421),
    ),  # fmt: skip
    banks=("Handelsbanken", "Nordea", "SEB", "Swedbank"),
    helpers=("Fri rad", "Frakt", "Rabatt"),
    voucher="Presentkort",
    rounding="Öresutjämning",
    debtor="Kassakund",
    city="Stockholm",
    postal_code="111 22",
    organisation_number="556123-4567",
    vat_number="SE556123456701",
    phone="+4680000000",
)

NORWAY: Final = Chart(
    country="NO",
    currency="NOK",
    zone="Europe/Oslo",
    rates=_NO_RATES,
    accounts=(
        (1460, "Varelager"),
        (1500, "Kundefordringer"),
        (1570, "Kortfordringer"),
        (1900, "Kasse"),
        (1920, "Bankinnskudd"),
        (1925, "Vipps"),
        (2000, "Aksjekapital"),
        (2400, "Leverandørgjeld"),
        (2700, "Utgående mva høy sats"),
        (2702, "Utgående mva middels sats"),
        (2710, "Inngående mva"),
        (2965, "Gavekort"),
        (3000, "Salg varer 25%"),
        (3010, "Salg varer 15%"),
        (3100, "Salg varer avgiftsfritt"),
        (3020, "Salg tjenester 25%"),
        (3030, "Salg tjenester 15%"),
        (3120, "Salg tjenester avgiftsfritt"),
        (3130, "Salg til utlandet"),
        (3140, "Salg til utlandet avgiftspliktig"),
        (3150, "Salg omvendt avgiftsplikt"),
        (4300, "Innkjøp av varer"),
        (7740, "Øreavrunding"),
        (7770, "Bankgebyr"),
    ),  # fmt: skip
    types=_NORDIC_TYPES,
    ledger=Ledger(1500, 2400, 7740, 7770, 3140, 3130, 3130, 3150),
    vat_codes=(
        ("3", "Utgående mva 25%", 2700),
        ("31", "Utgående mva 15%", 2702),
        ("5", "Avgiftsfri omsetning", None),
        ("6", "Utenfor mva", None),
    ),  # fmt: skip
    codings=(
        *codings("Varer", "Tjenester", _NO_RATES, (3000, 3010, 3100, 3020, 3030, 3120)),
        Coding("vouchers", "Gavekort", "Gift vouchers", "Service", 3, 2965),
        Coding("rounding", "Øreavrunding", "Rounding differences", "Service", 3, 7740),
    ),
    units=(("Stykk", "Piece", "PCE", "stk", "pcs"), ("Time", "Hour", "HUR", "t", "h"), ("Kilogram", "Kilogram", "KGM", "kg", "kg")),
    terms=(("30 dager", "30 days", 30, 0), ("14 dager", "14 days", 14, 0), ("Kontant", "Cash", 0, 2), ("Kort", "Card payment", 0, 3)),
    money=(
        ("Bank", "Bank", 1, 1920),
        ("Kort", "Card", 1, 1570),
        ("Kasse", "Cash", 2, 1900),
        ("Vipps", "Vipps", 1, 1925),
        ("Gavekort", "Gift vouchers", 5, 2965),
    ),  # fmt: skip
    banks=("DNB", "Nordea", "SpareBank 1"),
    helpers=("Fri linje", "Frakt", "Rabatt"),
    voucher="Gavekort",
    rounding="Øreavrunding",
    debtor="Kassekunde",
    city="Oslo",
    postal_code="0150",
    organisation_number="912345009",
    vat_number="NO912345009MVA",
    phone="+4720000000",
)

FINLAND: Final = Chart(
    country="FI",
    currency="EUR",
    zone="Europe/Helsinki",
    rates=_FI_RATES,
    accounts=(
        (1510, "Varasto"),
        (1700, "Myyntisaamiset"),
        (1715, "Korttisaamiset"),
        (1900, "Kassa"),
        (1910, "Pankkitili"),
        (1911, "MobilePay"),
        (2000, "Osakepääoma"),
        (2860, "Lahjakortit"),
        (2870, "Ostovelat"),
        (2939, "Arvonlisäverovelka"),
        (2940, "Arvonlisäverosaaminen"),
        (3000, "Tavaramyynti 25,5%"),
        (3010, "Tavaramyynti 13,5%"),
        (3020, "Tavaramyynti 0%"),
        (3050, "Palvelumyynti 25,5%"),
        (3060, "Palvelumyynti 13,5%"),
        (3070, "Palvelumyynti 0%"),
        (3370, "EU-myynti veroton"),
        (3375, "EU-myynti verollinen"),
        (3380, "Vientimyynti"),
        (3390, "Rakentamispalvelut, käännetty vero"),
        (3590, "Pyöristyserot"),
        (4000, "Ostot"),
        (8560, "Pankkikulut"),
    ),  # fmt: skip
    types=_NORDIC_TYPES,
    ledger=Ledger(1700, 2870, 3590, 8560, 3375, 3370, 3380, 3390),
    vat_codes=(
        ("KOTI25", "Kotimaan myynti 25,5%", 2939),
        ("KOTI13", "Kotimaan myynti 13,5%", 2939),
        ("KOTI0", "Kotimaan myynti 0%", None),
        ("EI", "Ei arvonlisäveroa", None),
    ),  # fmt: skip
    codings=(
        *codings("Tavarat", "Palvelut", _FI_RATES, (3000, 3010, 3020, 3050, 3060, 3070)),
        Coding("vouchers", "Lahjakortit", "Gift vouchers", "Service", 3, 2860),
        Coding("rounding", "Pyöristyserot", "Rounding differences", "Service", 3, 3590),
    ),
    units=(("Kappale", "Piece", "PCE", "kpl", "pcs"), ("Tunti", "Hour", "HUR", "h", "h"), ("Kilogramma", "Kilogram", "KGM", "kg", "kg")),
    terms=(
        ("30 päivää", "30 days", 30, 0),
        ("14 päivää", "14 days", 14, 0),
        ("Käteinen", "Cash", 0, 2),
        ("Kortti", "Card payment", 0, 3),
    ),  # fmt: skip
    money=(
        ("Pankki", "Bank", 1, 1910),
        ("Kortti", "Card", 1, 1715),
        ("Kassa", "Cash", 2, 1900),
        ("MobilePay", "MobilePay", 1, 1911),
        ("Lahjakortit", "Gift vouchers", 5, 2860),
    ),  # fmt: skip
    banks=("Nordea", "OP", "Danske Bank"),
    helpers=("Vapaa rivi", "Toimitus", "Alennus"),
    voucher="Lahjakortti",
    rounding="Pyöristysero",
    debtor="Kassa-asiakas",
    city="Helsinki",
    postal_code="00100",
    organisation_number="2345678-0",
    vat_number="FI23456780",
    phone="+35890000000",
)

CHARTS: Final = {chart.country: chart for chart in (NETHERLANDS, SWEDEN, NORWAY, FINLAND)}
