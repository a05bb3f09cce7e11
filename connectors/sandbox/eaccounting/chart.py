"""The registers of a Dutch shop's company: accounts, VAT, codings, units, terms, money accounts, countries and currencies."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

#: ISO code, Dutch name, English name
EU_COUNTRIES: Final = (
    ("AT", "Oostenrijk", "Austria"), ("BE", "België", "Belgium"), ("BG", "Bulgarije", "Bulgaria"), ("CY", "Cyprus", "Cyprus"),
    ("CZ", "Tsjechië", "Czechia"), ("DE", "Duitsland", "Germany"), ("DK", "Denemarken", "Denmark"), ("EE", "Estland", "Estonia"),
    ("ES", "Spanje", "Spain"), ("FI", "Finland", "Finland"), ("FR", "Frankrijk", "France"), ("GR", "Griekenland", "Greece"),
    ("HR", "Kroatië", "Croatia"), ("HU", "Hongarije", "Hungary"), ("IE", "Ierland", "Ireland"), ("IT", "Italië", "Italy"),
    ("LT", "Litouwen", "Lithuania"), ("LU", "Luxemburg", "Luxembourg"), ("LV", "Letland", "Latvia"), ("MT", "Malta", "Malta"),
    ("NL", "Nederland", "Netherlands"), ("PL", "Polen", "Poland"), ("PT", "Portugal", "Portugal"), ("RO", "Roemenië", "Romania"),
    ("SE", "Zweden", "Sweden"), ("SI", "Slovenië", "Slovenia"), ("SK", "Slowakije", "Slovakia"),
)  # fmt: skip
OTHER_COUNTRIES: Final = (
    ("AE", "Verenigde Arabische Emiraten", "United Arab Emirates"), ("AU", "Australië", "Australia"), ("BH", "Bahrein", "Bahrain"),
    ("BM", "Bermuda", "Bermuda"), ("BR", "Brazilië", "Brazil"), ("CA", "Canada", "Canada"), ("CH", "Zwitserland", "Switzerland"),
    ("CN", "China", "China"), ("GB", "Verenigd Koninkrijk", "United Kingdom"), ("GG", "Guernsey", "Guernsey"),
    ("HK", "Hongkong", "Hong Kong"), ("IL", "Israël", "Israel"), ("IN", "India", "India"), ("IS", "IJsland", "Iceland"),
    ("JE", "Jersey", "Jersey"), ("JP", "Japan", "Japan"), ("KR", "Zuid-Korea", "South Korea"), ("LB", "Libanon", "Lebanon"),
    ("LI", "Liechtenstein", "Liechtenstein"), ("NG", "Nigeria", "Nigeria"), ("NO", "Noorwegen", "Norway"),
    ("NZ", "Nieuw-Zeeland", "New Zealand"), ("SA", "Saoedi-Arabië", "Saudi Arabia"), ("SG", "Singapore", "Singapore"),
    ("TH", "Thailand", "Thailand"), ("TR", "Turkije", "Turkey"), ("US", "Verenigde Staten", "United States"),
    ("ZA", "Zuid-Afrika", "South Africa"),
)  # fmt: skip
#: ISO code and the domestic price of one unit, for documents whose currency is not the company's
CURRENCIES: Final = (
    ("EUR", Decimal(1)), ("GBP", Decimal("1.15")), ("USD", Decimal("0.92")), ("SEK", Decimal("0.088")), ("NOK", Decimal("0.086")),
    ("DKK", Decimal("0.134")), ("CHF", Decimal("1.04")),
)  # fmt: skip
#: number, name, whether VAT is booked on it
ACCOUNTS: Final = (
    (1000, "Kas"), (1101, "Pinontvangsten onderweg"), (1102, "iDEAL-ontvangsten onderweg"), (1110, "Bank"), (1300, "Debiteuren"),
    (1520, "Af te dragen btw hoog"), (1521, "Af te dragen btw laag"), (1940, "Uitgegeven cadeaubonnen"), (3000, "Voorraad handelsgoederen"),
    (4900, "Afrondingsverschillen"), (7000, "Inkoopwaarde van de omzet"),
    (8000, "Omzet goederen hoog"), (8001, "Omzet goederen laag"), (8002, "Omzet goederen nul"),
    (8010, "Omzet diensten hoog"), (8011, "Omzet diensten laag"), (8012, "Omzet diensten nul"),
    (8100, "Omzet binnen EU vrijgesteld"), (8110, "Omzet buiten EU vrijgesteld"), (8120, "Omzet binnen EU belast"),
)  # fmt: skip
#: code, description, rate in percent, VAT account
VAT_CODES: Final = (
    ("1", "Btw hoog", 21, 1520), ("2", "Btw laag", 9, 1521), ("3", "Btw nul", 0, None), ("4", "Vrijgesteld", 0, None),
)  # fmt: skip
#: key, name, English name, type, VAT rate code, rate in percent, ledger account
CODINGS: Final = (
    ("goods-21", "Goederen 21%", "Goods 21%", "Goods", "1", 21, 8000),
    ("goods-9", "Goederen 9%", "Goods 9%", "Goods", "2", 9, 8001),
    ("goods-0", "Goederen 0%", "Goods 0%", "Goods", "3", 0, 8002),
    ("services-21", "Diensten 21%", "Services 21%", "Service", "1", 21, 8010),
    ("services-9", "Diensten 9%", "Services 9%", "Service", "2", 9, 8011),
    ("services-0", "Diensten 0%", "Services 0%", "Service", "3", 0, 8012),
    ("vouchers", "Cadeaubonnen", "Gift vouchers", "Service", "4", 0, 1940),
    ("rounding", "Afrondingsverschillen", "Rounding differences", "Service", "4", 0, 4900),
)
#: name, English name, code, abbreviation, English abbreviation
UNITS: Final = (
    ("Stuk", "Piece", "PCE", "st", "pcs"), ("Uur", "Hour", "HUR", "uur", "h"), ("Kilogram", "Kilogram", "KGM", "kg", "kg"),
    ("Meter", "Metre", "MTR", "m", "m"),
)  # fmt: skip
#: name, English name, days, type, type in words
TERMS: Final = (
    ("30 dagen", "30 days", 30, 0, "Normal"), ("14 dagen", "14 days", 14, 0, "Normal"), ("Contant", "Cash", 0, 2, "Cash"),
    ("Pinbetaling", "Card payment", 0, 3, "CardPayment"),
)  # fmt: skip
#: name, English name, type, type in words, ledger account
MONEY_ACCOUNTS: Final = (
    ("Bank", "Bank", 1, "ChequeAccount", 1110), ("Pin", "Card", 1, "ChequeAccount", 1101), ("Kas", "Cash", 2, "CashAccount", 1000),
    ("iDEAL", "iDEAL", 1, "ChequeAccount", 1102), ("Cadeaubonnen", "Gift vouchers", 5, "DigitalWalletAccount", 1940),
)  # fmt: skip
#: number, name, coding
HELPER_ARTICLES: Final = (
    *((f"KB-FREE-{rate}", f"Vrije regel {rate}%", f"services-{rate}") for rate in (21, 9, 0)),
    *((f"KB-SHIP-{rate}", f"Verzending {rate}%", f"services-{rate}") for rate in (21, 9, 0)),
    *((f"KB-DISC-{rate}", f"Korting {rate}%", f"services-{rate}") for rate in (21, 9, 0)),
    ("KB-VOUCHER", "Cadeaubon", "vouchers"),
    ("KB-ROUND", "Afrondingsverschil", "rounding"),
)
DEFAULT_DEBTOR: Final = ("1000", "Kassaklant")
ZONE: Final = "Europe/Amsterdam"
