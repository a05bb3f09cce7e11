"""The shop built from files of receipts, and the invented one."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import stdnum.ean

from connectors.sandbox import people, receipts, shop
from connectors.sandbox.receipts import BrokenReceipts
from connectors.sandbox.world import World, WorldArticle, WorldReceipt, cash_rounding, line_total

RETAIL = Path(__file__).resolve().parents[3] / "shared" / "data" / "retail"
FILES = sorted(RETAIL.glob("*.csv"))
HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
GOOD = "536365,85123A,HEART HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom"


def write(folder: Path, *lines: str, name: str = "day.csv", header: str = HEADER) -> Path:
    """Write a file of receipts."""
    file = folder / name
    file.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return file


def only(world: World) -> WorldReceipt:
    """Return the world's one receipt."""
    [receipt] = world.receipts
    return receipt


def article(world: World, sku: str) -> WorldArticle:
    """Return an article by its number."""
    return next(one for one in world.articles if one.sku == sku)


def rounded_cents(quantity: str, price: str) -> int:
    """Round quantity × price half up to cents, in whole thousandths and without decimals, as an independent reckoning."""
    whole, _, part = price.partition(".")
    thousandths = int(whole) * 1000 + int((part + "000")[:3])
    product = int(quantity) * thousandths
    sign = -1 if product < 0 else 1
    return sign * ((abs(product) + 5) // 10)


@pytest.mark.skipif(not FILES, reason="the retail data is not beside this repository")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_real_day_loads_to_the_cent(file: Path) -> None:
    """Each file gives as many receipts as it has invoices, and they come to the file's own sum; only cash is rounded."""
    totals: dict[str, int] = {}
    with file.open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            totals[row["InvoiceNo"]] = totals.get(row["InvoiceNo"], 0) + rounded_cents(row["Quantity"], row["UnitPrice"])
    world = receipts.load([file])
    assert {receipt.number: int((receipt.gross - receipt.rounding) * 100) for receipt in world.receipts} == totals
    for receipt in world.receipts:
        assert sum((line_total(line) for line in receipt.lines), receipt.rounding) == receipt.gross
        if receipt.paymethod == "cash":
            assert receipt.gross % Decimal("0.05") == 0
            assert abs(receipt.rounding) <= Decimal("0.02")
        else:
            assert receipt.rounding == 0


@pytest.mark.skipif(not FILES, reason="the retail data is not beside this repository")
def test_all_days_make_one_shop() -> None:
    """Fifteen files are one world: every receipt once, in order of time, each customer and each article once, stock for all."""
    world = receipts.load(FILES)
    assert len(world.receipts) == sum(len(receipts.load([file]).receipts) for file in FILES)
    assert [receipt.sold_at for receipt in world.receipts] == sorted(receipt.sold_at for receipt in world.receipts)
    assert len({one.key for one in world.customers}) == len({one.email for one in world.customers}) == len(world.customers)
    assert len({one.sku.upper() for one in world.articles}) == len(world.articles)
    sold: dict[str, Decimal] = {}
    for receipt in world.receipts:
        for line in receipt.lines:
            if line.kind == "product":
                sold[line.sku.upper()] = sold.get(line.sku.upper(), Decimal(0)) + max(line.quantity, Decimal(0))
    assert all(one.stock > sold[one.sku] for one in world.articles if not one.is_service)
    assert {one.vat_rate for one in world.articles} == {Decimal(21), Decimal(9), Decimal(0)}
    assert {one.paymethod for one in world.receipts} == {"pin", "cash", "ideal", "voucher"}


def test_a_receipt_has_its_rows_customer_and_time_in_utc(tmp_path: Path) -> None:
    """Local winter time is one hour ahead of UTC; rows keep their order; the customer is known by its number without ".0"."""
    file = write(tmp_path, GOOD, "536365,71053,LANTERN,1,2010-12-01 08:27:00,3.39,17850.0,United Kingdom")
    world = receipts.load([file])
    receipt = only(world)
    assert (receipt.number, receipt.sold_at, receipt.customer_key) == ("536365", datetime(2010, 12, 1, 7, 26, tzinfo=UTC), "17850")
    assert [(line.kind, line.sku, line.quantity, line.unit_price) for line in receipt.lines] == [
        ("product", "85123A", Decimal(6), Decimal("2.55")),
        ("product", "71053", Decimal(1), Decimal("3.39")),
    ]
    assert [(one.key, one.country) for one in world.customers] == [("17850", "NL")]


def test_summer_time_is_two_hours_ahead(tmp_path: Path) -> None:
    """The zone's rules are used, not a fixed offset."""
    world = receipts.load([write(tmp_path, GOOD.replace("2010-12-01 08:26", "2011-07-28 08:26"))])
    assert only(world).sold_at == datetime(2011, 7, 28, 6, 26, tzinfo=UTC)


def test_a_credit_has_negative_quantities(tmp_path: Path) -> None:
    """A number that starts with C is a refund and no stock correction."""
    receipt = only(receipts.load([write(tmp_path, "C536391,22556,PLASTERS,-12,2010-12-01 10:24:00,1.65,17548.0,United Kingdom")]))
    assert (receipt.gross - receipt.rounding, receipt.is_correction) == (Decimal("-19.80"), False)


def test_a_negative_quantity_at_no_price_corrects_stock(tmp_path: Path) -> None:
    """Without C, below zero and free of charge: a correction, with the code for its missing description."""
    receipt = only(receipts.load([write(tmp_path, "536589,21777,,-10,2010-12-01 16:50:00,0.0,,United Kingdom")]))
    assert (receipt.is_correction, receipt.gross, receipt.lines[0].text) == (True, Decimal(0), "21777")


def test_a_give_away_is_a_sale_of_nothing(tmp_path: Path) -> None:
    """A positive quantity at no price is no correction."""
    receipt = only(receipts.load([write(tmp_path, "536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom")]))
    assert (receipt.is_correction, receipt.gross, receipt.customer_key) == (False, Decimal(0), None)


@pytest.mark.parametrize(
    ("code", "kind", "rate"),
    [
        ("POST", "shipping", 21),
        ("DOT", "shipping", 21),
        ("C2", "shipping", 21),
        ("M", "free", 21),
        ("m", "free", 21),
        ("D", "discount", 21),
        ("gift_0001_50", "voucher", 0),
        ("BANK CHARGES", "product", 21),
    ],
)
def test_special_codes(tmp_path: Path, code: str, kind: str, rate: int) -> None:
    """Carriage, manual lines, discounts and vouchers are no articles; other words are service articles."""
    world = receipts.load([write(tmp_path, f"536540,{code},TEXT,1,2010-12-01 14:05:00,50.0,14911.0,United Kingdom")])
    [line] = only(world).lines
    assert (line.kind, line.sku, line.vat_rate) == (kind, code, Decimal(rate))
    assert [(one.sku, one.is_service) for one in world.articles] == ([(code, True)] if kind == "product" else [])


def test_a_code_in_two_spellings_is_one_article_and_the_row_keeps_what_was_keyed(tmp_path: Path) -> None:
    """85123A and 85123a are the same article, under its number in capitals."""
    world = receipts.load([write(tmp_path, GOOD, GOOD.replace("536365,85123A", "536366,85123a"))])
    assert [one.sku for one in world.articles] == ["85123A"]
    assert [receipt.lines[0].sku for receipt in world.receipts] == ["85123A", "85123a"]
    assert world.articles[0].stock > 12


def test_price_and_name_are_the_most_common_of_the_first_day_that_has_a_price(tmp_path: Path) -> None:
    """A free line gives no price, a later day changes nothing, and of several descriptions the most common wins."""
    line = "{},1234{},{},1,2010-12-0{} 10:00:00,{},,United Kingdom"
    one = write(tmp_path, line.format(1, 5, "ODD", 1, "0.0"), name="1.csv")
    two = write(
        tmp_path, *[line.format(number, 5, name, 2, price) for number, name, price in ((2, "A", 3), (3, "B", 4), (4, "B", 4))], name="2.csv"
    )
    three = write(tmp_path, *[line.format(number, 5, "B", 3, 9) for number in (5, 6, 7)], name="3.csv")
    found = article(receipts.load([one, two, three]), "12345")
    assert (found.price, found.name) == (Decimal("4.00"), "B")


def test_three_decimals_are_rounded_half_up_once_a_line(tmp_path: Path) -> None:
    """3 × 0.335 is 1.005 and becomes 1.01; back it becomes −1.01; the price keeps its decimals."""
    line = "{},12345,THING,{},2010-12-01 10:00:00,0.335,,United Kingdom"
    world = receipts.load([write(tmp_path, line.format("1", 3), line.format("C2", -3))])
    assert [receipt.gross - receipt.rounding for receipt in world.receipts] == [Decimal("1.01"), Decimal("-1.01")]
    assert world.receipts[0].lines[0].unit_price == Decimal("0.335")
    assert world.articles[0].price == Decimal("0.34")


def test_home_and_abroad_change_places(tmp_path: Path) -> None:
    """The file's United Kingdom is the Netherlands, its Netherlands the United Kingdom; what is not said is home."""
    names = {"1": "United Kingdom", "2": "Netherlands", "3": "EIRE", "4": "Unspecified", "5": "Hong Kong"}
    lines = [GOOD.replace("536365", key).replace("17850.0", f"{key}.0").replace("United Kingdom", name) for key, name in names.items()]
    countries = {one.key: one.country for one in receipts.load([write(tmp_path, *lines)]).customers}
    assert countries == {"1": "NL", "2": "GB", "3": "IE", "4": "NL", "5": "HK"}


def test_companies_elsewhere_in_the_eu_buy_without_vat(tmp_path: Path) -> None:
    """Only a company in another member state; a private person there and a company at home or outside pay VAT."""
    lines = [
        GOOD.replace("536365", f"{country}{key}").replace("17850.0", f"{key}.0").replace("United Kingdom", country)
        for country, first in (("Germany", 100), ("United Kingdom", 200), ("Norway", 300))
        for key in range(first, first + 40)
    ]
    world = receipts.load([write(tmp_path, *lines)])
    buyers = {one.key: one for one in world.customers}
    for receipt in world.receipts:
        buyer = buyers[receipt.customer_key or ""]
        assert receipt.intra_community == (buyer.country == "DE" and buyer.company is not None)
        assert {line.vat_rate for line in receipt.lines} == {Decimal(0) if receipt.intra_community else article(world, "85123A").vat_rate}
    assert {receipt.intra_community for receipt in world.receipts} == {True, False}


def test_one_customer_in_four_is_a_company_with_numbers_that_could_be_real() -> None:
    """VAT numbers have valid check digits for their country, companies at home an organisation number of eight digits."""
    known = [people.customer(str(key), country) for key in range(120) for country in ("NL", "DE", "FR", "IE", "GB", "NO")]
    companies = [one for one in known if one.company]
    assert 0.15 < len(companies) / len(known) < 0.35
    assert all(one.vat_number and people.is_vat_number(one.country, one.vat_number) for one in companies)
    assert all((one.organisation_number is not None and len(one.organisation_number) == 8) == (one.country == "NL") for one in companies)
    assert not any(one.vat_number or one.organisation_number for one in known if not one.company)


@pytest.mark.parametrize("country", sorted(people.EU))
def test_there_is_a_vat_number_for_every_member_of_the_eu(country: str) -> None:
    """Each country's pattern leads to a number that its check accepts."""
    number = people.vat_number(country, "17850")
    assert number is not None
    assert people.is_vat_number(country, number)


@pytest.mark.parametrize(
    ("total", "rounding"), [("0.01", "-0.01"), ("0.02", "-0.02"), ("0.03", "0.02"), ("0.07", "-0.02"), ("0.08", "0.02"), ("-0.03", "-0.02")]
)
def test_cash_is_rounded_to_five_cents(total: str, rounding: str) -> None:
    """1 and 2 go down, 3 and 4 up to 5, 6 and 7 down to it, 8 and 9 up; a refund the same way round zero."""
    assert cash_rounding(Decimal(total)) == Decimal(rounding)


BROKEN = [
    (GOOD.rsplit(",", 1)[0], "7 columns, expected 8"),
    (GOOD.replace(",6,", ",six,"), "Quantity 'six' is not a number"),
    (GOOD.replace("2.55", "NaN"), "UnitPrice 'NaN' is not a number"),
    (GOOD.replace("2.55", "1e3"), "UnitPrice '1e3' is not a number"),
    (GOOD.replace("2010-12-01 08:26:00", "01/12/2010 8:26"), "InvoiceDate '01/12/2010 8:26' is not a date and time"),
    (GOOD.replace("17850.0", "someone"), "CustomerID 'someone' is not a number"),
    (GOOD.replace("United Kingdom", "Atlantis"), "Country 'Atlantis' is not known"),
    (GOOD.replace("536365,", ","), "no InvoiceNo"),
    (GOOD.replace(",85123A,", ",,"), "no StockCode"),
    (GOOD.replace("HEART", '"HEART" x'), "not CSV: "),
    (GOOD.replace("2010-12-01", "0001-01-01"), "InvoiceDate '0001-01-01 08:26:00' is not in the years from 1990 to 2100"),
    (GOOD.replace("2010-12-01", "9999-12-31"), "InvoiceDate '9999-12-31 08:26:00' is not in the years from 1990 to 2100"),
    (GOOD.replace("2010-12-01", "٢٠١٠-12-01"), "InvoiceDate '٢٠١٠-12-01 08:26:00' is not a date and time"),
    (GOOD.replace(",6,", ",٦,"), "Quantity '٦' is not a number"),
    (GOOD.replace("2.55", "2_55"), "UnitPrice '2_55' is not a number"),
    (GOOD.replace("2.55", "1" * 5_000), "UnitPrice has 5000 characters, expected at most 200"),
    (GOOD.replace("HEART", "H\x1b[2J"), "Description has a control character in it"),
    (GOOD.replace("536365", "536\x00365"), "InvoiceNo has a control character in it"),
]


@pytest.mark.parametrize(("line", "reason"), BROKEN)
def test_a_broken_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    """The error has file, line and reason; reading on leaves out that line only and says so."""
    file = write(tmp_path, GOOD, line, GOOD.replace("536365", "536366"))
    with pytest.raises(BrokenReceipts, match=r"day\.csv:3: ") as caught:
        receipts.load([file])
    assert (caught.value.file, caught.value.line) == (str(file), 3)
    assert caught.value.reason.startswith(reason)
    world, left_out = receipts.load_lenient([file])
    assert [receipt.number for receipt in world.receipts] == ["536365", "536366"]
    assert [(one.line, one.reason) for one in left_out] == [(3, caught.value.reason)]


def test_bytes_that_are_not_utf_8_break_their_line(tmp_path: Path) -> None:
    """A pound sign in another encoding is reported, not guessed at."""
    file = write(tmp_path, GOOD)
    file.write_bytes(file.read_bytes() + GOOD.replace("HEART", "£").replace("536365", "2").encode("latin-1"))
    world, [left_out] = receipts.load_lenient([file])
    assert (left_out.line, left_out.reason, len(world.receipts)) == (3, "not UTF-8", 1)


@pytest.mark.parametrize(("content", "reason"), [("a,b,c\n1,2,3\n", "unknown header"), ("", "no header")])
def test_a_file_of_something_else_is_refused_as_a_whole(tmp_path: Path, content: str, reason: str) -> None:
    """Without the header nothing of the file is read, and the first line is named."""
    file = tmp_path / "other.csv"
    file.write_text(content, "utf-8")
    with pytest.raises(BrokenReceipts, match=reason) as caught:
        receipts.load([file])
    assert caught.value.line == 1
    assert receipts.load_lenient([file])[0].receipts == ()


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    """A device, and a line that nobody would write: what is not read is said."""
    with pytest.raises(BrokenReceipts, match="/dev/zero:1: more than 10000 characters; nothing after it is read"):
        receipts.load([Path("/dev/zero")])


def test_a_thousand_broken_lines_are_no_receipts(tmp_path: Path) -> None:
    """The last of what was left out says that nothing more was read."""
    file = write(tmp_path, GOOD, *["broken"] * 5_000, GOOD.replace("536365", "536366"))
    world, left_out = receipts.load_lenient([file])
    assert [receipt.number for receipt in world.receipts] == ["536365"]
    assert (len(left_out), left_out[-1].reason) == (1_001, "1000 lines cannot be read; nothing from here on is")


def test_blank_lines_and_a_byte_order_mark_are_harmless(tmp_path: Path) -> None:
    """What spreadsheets add is skipped, and lines are still counted as an editor counts them."""
    file = write(tmp_path, GOOD, "", "broken", header="\ufeff" + HEADER)
    world, [left_out] = receipts.load_lenient([file])
    assert (len(world.receipts), left_out.line) == (1, 4)


def test_the_same_receipt_in_two_files_is_not_sold_twice(tmp_path: Path) -> None:
    """The second file's lines are named as broken, because a till never gives a number twice."""
    one, two = write(tmp_path, GOOD, name="1.csv"), write(tmp_path, GOOD, name="2.csv")
    with pytest.raises(BrokenReceipts, match=r"receipt 536365 is already in .*1\.csv"):
        receipts.load([one, two])
    world, left_out = receipts.load_lenient([one, two])
    assert (len(only(world).lines), len(left_out)) == (1, 1)


def test_an_invented_shop_is_plausible_and_has_everything_in_it() -> None:
    """About 80 articles with prices, barcodes and three rates; a day with refunds, vouchers, discounts, carriage and rounding."""
    world = shop.generate(seed=7)
    assert len(world.receipts) == 60
    assert 75 <= len(world.articles) <= 90
    assert {one.vat_rate for one in world.articles} == {Decimal(21), Decimal(9), Decimal(0)}
    assert all(stdnum.ean.is_valid(one.ean) for one in world.articles if one.ean)
    assert {line.kind for receipt in world.receipts for line in receipt.lines} == {"product", "free", "shipping", "discount", "voucher"}
    assert any(receipt.gross < 0 for receipt in world.receipts)
    assert any(receipt.paymethod == "voucher" for receipt in world.receipts)
    assert any(receipt.rounding for receipt in world.receipts)
    assert any(receipt.is_correction for receipt in world.receipts)
    assert any(line.unit_price % Decimal("0.01") for receipt in world.receipts for line in receipt.lines)
    assert sum(receipt.customer_key is None for receipt in world.receipts) > 30
    assert len({receipt.number for receipt in world.receipts}) == 60


@pytest.mark.parametrize("seed", range(5))
def test_an_invented_receipt_comes_to_what_was_paid(seed: int) -> None:
    """Lines rounded to cents plus the rounding are the gross, for every receipt of every seed, and a seed says it all."""
    world = shop.generate(seed=seed, receipts=200)
    assert world == shop.generate(seed=seed, receipts=200)
    assert world != shop.generate(seed=seed + 1, receipts=200)
    for receipt in world.receipts:
        assert sum((line_total(line) for line in receipt.lines), receipt.rounding) == receipt.gross
        if receipt.intra_community:
            assert {line.vat_rate for line in receipt.lines} == {Decimal(0)}
