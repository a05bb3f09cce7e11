"""What people write: configuration, mappings, faults, receipts, expressions, and the command line."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from pydantic import SecretStr

from connectors.sandbox import receipts
from daemon.cli.main import _parser
from daemon.cli.vendors import _load_faults
from daemon.core.mapping import MappingError, compile_expression
from daemon.flows.products import PRODUCT_NAMES
from daemon.mappings import FILES, load_mappings, shipped
from daemon.settings import ConfigurationError, load
from tests.fuzz.surface import Refused, Surface, Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from tests.fuzz.surface import Verdict

_CONFIGURATION: Final = Path(__file__).resolve().parents[3] / "config" / "kassabrug.toml"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE: Final = re.compile(r"(?P<place>/[^\n]*?|environment|configuration)(:\d+:\d+)?: .+, expected .+|and \d+ more")
#: no bound of ours, but what nobody's shop exceeds
_LARGEST: Final = 10**18
_LONGEST: Final = 20_000
_YEARS: Final = range(1990, 2101)
_SMALLEST_INTERVAL: Final = 0.05

_RECORD: Final[dict[str, Any]] = {
    **dict.fromkeys(PRODUCT_NAMES),
    "sku": "01001A",
    "name": "Kaars groot",
    "price": Decimal("4.95"),
    "vat_rate": Decimal(21),
    "active": True,
    "is_service": False,
    "is_helper": False,
    "categories": ["Wonen"],
}


@asynccontextmanager
async def _judged(judge: Callable[[Path, bytes], Verdict]) -> AsyncIterator[Callable[[bytes], Awaitable[Verdict]]]:
    """Give the judge a folder of its own, and a thread: it reads files."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:

        async def attempt(given: bytes) -> Verdict:
            return await to_thread.run_sync(partial(judge, Path(folder), given))

        yield attempt


def absurd(value: object, name: str = "") -> str:
    """Return what an independent reader finds absurd in a value, at any depth; empty when it makes sense."""
    if isinstance(value, dict):
        return next(filter(None, (absurd(inner, str(key)) or absurd(str(key)) for key, inner in value.items())), "")
    if isinstance(value, list | tuple | set | frozenset):
        return next(filter(None, (absurd(inner, name) for inner in value)), "")
    if isinstance(value, SecretStr):
        return absurd(value.get_secret_value(), name)
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        # what is no number at all compares as false
        if not -_LARGEST < value < _LARGEST:
            return f"{name}: a number without measure"
        return f"{name}: less than nothing" if value < 0 and name not in {"clock_skew_seconds", ""} else ""
    if isinstance(value, datetime):
        return "" if value.year in _YEARS else f"{name}: a year that no shop knows"
    if isinstance(value, str):
        return f"{name}: a text that does something" if _CONTROL.search(value) or len(value) > _LONGEST else ""
    return ""


def _refused(error: ConfigurationError) -> Refused:
    """Return the refusal without what varies; raises where a line has no place, or says nothing."""
    lines = str(error).splitlines()
    wrong = [line for line in lines if not _LINE.fullmatch(line) or _CONTROL.search(line) or len(line) > 3_000]
    if not lines or wrong:
        raise AssertionError(f"no line that helps: {wrong[:1]!r:.200}")
    plain = re.sub(r"/\S+|\"[^\"]*\"|'[^']*'|\d+", "#", lines[0])
    return Refused(plain[:80])


# -- the configuration, and the files beside it ------------------------------------------------------------------------------------

_MINIMAL: Final = b"""[daemon]
listen = "127.0.0.1:9464"
workers = 8
log_level = "info"

[connections.books]
kind = "eaccounting"
client_id = "id"
client_secret = "secret"

[connections.till]
kind = "salespos"
api = "https://shop.example/api/rest/v1"
public_key = "public"
secret_key = "key"
vat_tariffs = { normal = 21, zero = 0 }

[links.shop]
books = "books"
tills = ["till"]
start = 2026-01-31T00:00:00+01:00
time_zone = "Europe/Amsterdam"
flows.sales = { enabled = true, interval = 5 }
booking.rounding_cap = "0.05"
brake.share = 0.2
payment_methods = { pin = "Pin", "" = "Kas" }

[alerts]
urls = ["json://host"]
failing_minutes = 15
repeat_hours = 24
"""


def _configurations() -> Sequence[bytes]:
    example = _CONFIGURATION.read_text(encoding="utf-8")
    for secret in ("client_secret", "public_key", "secret_key"):
        example = re.sub(rf'(?m)^# ({secret} = )"…"', r'\1"x"', example, count=1)
    return [_MINIMAL, example.encode()]


def _configuration(folder: Path, given: bytes) -> Verdict:
    file = folder / "kassabrug.toml"
    file.write_bytes(given)
    try:
        settings = load(file)
    except ConfigurationError as error:
        return _refused(error)
    often = [flow.interval for link in settings.links.values() for flow in link.flows.by_name().values()]
    found = absurd(settings.model_dump()) or ("an interval without rest" if min(often) < _SMALLEST_INTERVAL else "")
    return Taken("a configuration", found)


#: read here: looking for a file would hold the loop
_SHIPPED: Final = {name: (shipped() / name).read_bytes() for name in FILES}


def _mappings(name: str) -> Sequence[bytes]:
    return [_SHIPPED[name]]


def _mapping(name: str, folder: Path, given: bytes) -> Verdict:
    (folder / name).write_bytes(given)
    try:
        files = load_mappings(folder)
    except ConfigurationError as error:
        return _refused(error)
    for number in (*files.articles.values(), *files.skus.values(), *files.skus):
        if not number.strip() or _CONTROL.search(number):
            return Taken("a mapping", "an article without a number")
    if any(not 0 <= rate <= 100 for _, rate in files.articles):
        return Taken("a mapping", "a rate that no country has")
    for expression in (*files.products.create.values(), *files.products.update.values()):
        with contextlib.suppress(MappingError):
            if found := absurd(expression({"product": _RECORD})):
                return Taken("a mapping", found)
    return Taken("a mapping")


_FAULTS: Final = b"""[eaccounting]
slow = 0.5
slow_seconds = 0.2
revoke_token_after = 7

[salespos]
reset_after = 0.1
clock_skew_seconds = -30.5

[[salespos.outage]]
kind = "status_503"
path = "/api/rest/v1/orders"
method = "get"
from = 2026-03-16T09:00:00Z
to = 2026-03-16T10:00:00Z
retry_after = 30
effect = true
"""


def _faults(folder: Path, given: bytes) -> Verdict:
    file = folder / "faults.toml"
    file.write_bytes(given)
    try:
        plans = _load_faults(file)
    except ConfigurationError as error:
        return _refused(error)
    outages = [one.as_json() for plan in plans.values() for one in plan.outages.known.values()]
    return Taken("faults", absurd([plan.as_json() for plan in plans.values()]) or absurd(outages))


_RECEIPTS: Final = b"""InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom
536365,71053,"LANTERN, WHITE",1,2010-12-01 08:26:00,3.39,17850.0,France
C536379,D,Discount,-1,2010-12-01 09:41:00,27.50,,Germany
536370,POST,POSTAGE,3,2010-12-01 08:45:00,18.00,12583.0,France
536371,GIFT_1,VOUCHER,1,2010-12-01 09:00:00,25.00,,United Kingdom
"""


def _receipts(folder: Path, given: bytes) -> Verdict:
    file = folder / "day.csv"
    file.write_bytes(given)
    world, left_out = receipts.load_lenient([file])
    lines = [line for receipt in world.receipts for line in receipt.lines]
    found = next(filter(None, (absurd(str(text)) for line in lines for text in (line.sku, line.text))), "")
    found = found or absurd([receipt.sold_at for receipt in world.receipts], "sold at")
    found = found or absurd([abs(figure) for line in lines for figure in (line.quantity, line.unit_price)], "figure")
    if found or not left_out:
        return Taken("receipts", found)
    if not str(left_out[0]).startswith(f"{file}:"):
        raise AssertionError("a broken line without its place")
    return Refused(re.sub(r"'[^']*'|\d+", "#", left_out[0].reason)[:60])


# -- expressions, and what is typed ------------------------------------------------------------------------------------------------

_EXPRESSIONS: Final = (
    b"round ( product.price * 1.21 , 2 )",
    b"cut( default( product.ean , '-' ) , 30 )",
    b"upper( product.name ) if product.price > 1 and not product.is_helper else lower( product.name )",
    b"replace( strip( ' a/b ' ) , '/' , product.name ) + '-' * 3",
    b"number( '2.50' ) + product.vat_rate // 2 - 7 % 4",
    b"product.name[0:3] + text( product['unit'] )",
)


def _expression(_folder: Path, given: bytes) -> Verdict:
    try:
        source = given.decode()
    except UnicodeDecodeError:
        return Refused("not UTF-8")  # the reader of the file says so
    try:
        value = compile_expression(source, {"product": PRODUCT_NAMES})({"product": _RECORD})
    except MappingError as error:
        return Refused(re.sub(r"'.*?'|\".*?\"|\d+", "#", str(error))[-60:])
    if not isinstance(value, str | int | Decimal | list | None):
        return Taken("an expression", f"a {type(value).__name__}")
    return Taken("an expression", absurd(value))


_ARGUMENTS: Final = (
    "sync --config kassabrug.toml --flow sales --json",
    "login books --port 44300 --no-browser",
    "sandbox --seed 7 --eaccounting-port 0 --limits off --faults faults.toml",
    "check --vendor-schemas https://host.example/swagger.json",
    "answer payment:pin Kas --link shop/till",
    "why 700100",
    "resend 700100 700101 --state-dir state",
    "forget --email jo@winkel.example",
    "settle 700100 --as happened",
)


def _arguments(_folder: Path, given: bytes) -> Verdict:
    # a system passes no NUL
    typed = [os.fsdecode(one) for one in given.replace(b"\0", b"").split(b" ")]
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
            args = _parser().parse_args(typed)
    except SystemExit as ended:
        if ended.code == 0:
            return Taken("what was asked for")
        lines = told.getvalue().splitlines()
        if ended.code != 2 or not lines or "error: " not in told.getvalue():
            raise AssertionError(f"ended with {ended.code}: {lines[-1:]}") from None
        return Refused(" ".join(lines[-1].partition("error: ")[2].split()[:5]))
    return Taken("a command", next(filter(None, _odd(vars(args))), ""))


def _odd(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield absurd(one, name) or ("" if one.isprintable() else f"{name}: not printable")
            elif name.endswith("port") and one is not None and not 0 <= one <= 65_535:
                yield f"{name}: no port"


def _surface(name: str, grammar: Any, seeds: Callable[[], Sequence[bytes]], judge: Callable[[Path, bytes], Verdict]) -> Surface:
    return Surface(name, grammar, seeds, partial(_judged, judge))


SURFACES: Final = (
    _surface("configuration", "lines", _configurations, _configuration),
    *(_surface(f"mapping {name}", "lines", partial(_mappings, name), partial(_mapping, name)) for name in FILES),
    _surface("faults", "lines", lambda: [_FAULTS], _faults),
    _surface("receipts", "lines", lambda: [_RECEIPTS], _receipts),
    _surface("expression", "text", lambda: _EXPRESSIONS, _expression),
    _surface("arguments", "text", lambda: [one.encode() for one in _ARGUMENTS], _arguments),
)
