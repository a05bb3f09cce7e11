"""The log: one line an event, and nothing in it that is secret or personal."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from daemon.core.outside import REDACTED, clean
from daemon.observe.flood import MOST_LINES, WINDOW_SECONDS, Flood, kind_of
from daemon.observe.log import configure, redact
from daemon.observe.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """The set-up is for the whole process: put back what a test changed."""
    root = logging.getLogger()
    handlers, level, apprise = root.handlers[:], root.level, logging.getLogger("apprise").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("apprise").setLevel(apprise)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """Parse what was written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    """Where the log goes."""
    return io.StringIO()


def test_an_event_is_one_json_object(stream: io.StringIO) -> None:
    """With its level, its moment in UTC and its fields."""
    configure("info", "json", stream=stream)
    structlog.get_logger().info("run ended", flow="sales", records=3)
    (line,) = lines(stream)
    assert line["event"] == "run ended"
    assert line["level"] == "info"
    assert line["records"] == 3
    assert line["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written(stream: io.StringIO) -> None:
    """And costs nothing."""
    configure("warning", "json", stream=stream)
    log = structlog.get_logger()
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_library_s_line_goes_the_same_way(stream: io.StringIO) -> None:
    """Same form, same redaction; its chatter below a warning is left out."""
    configure("debug", "json", stream=stream)
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("mail for %s", "jan@example.org")
    (line,) = lines(stream)
    assert line["logger"] == "some.library"
    assert line["level"] == "warning"
    assert line["event"] == f"mail for {REDACTED}"


def test_bound_context_is_part_of_every_line(stream: io.StringIO) -> None:
    """A flow binds its name once."""
    configure("info", "json", stream=stream)
    with structlog.contextvars.bound_contextvars(link="shop", flow="sales"):
        structlog.get_logger().info("x")
    assert (lines(stream)[0]["link"], lines(stream)[0]["flow"]) == ("shop", "sales")


def test_lines_are_counted_by_level(stream: io.StringIO) -> None:
    """Ours and the libraries'."""
    metrics = Metrics()
    configure("info", "json", metrics, stream=stream)
    structlog.get_logger().error("a")
    logging.getLogger("lib").error("b")
    structlog.get_logger().debug("not written, not counted")
    text = metrics.render().decode()
    assert 'kassabrug_log_messages_total{level="error"} 2.0' in text
    assert 'kassabrug_log_messages_total{level="debug"} 0.0' in text


def test_an_exception_is_written_redacted(stream: io.StringIO) -> None:
    """The text of an error is a common way for a secret to get out."""
    configure("info", "json", stream=stream)
    try:
        int("refresh_token=abc.def of jan@example.org")
    except ValueError:
        structlog.get_logger().exception("failed")
    text = stream.getvalue()
    assert "ValueError" in text
    assert "abc.def" not in text
    assert "jan@" not in text


def test_the_console_form_is_for_eyes(stream: io.StringIO) -> None:
    """No JSON and no colour codes where there is no terminal, and the same redaction."""
    configure("info", "console", stream=stream)
    structlog.get_logger().info("hello", flow="sales", client_secret="hush")
    assert "hello" in stream.getvalue()
    assert "flow=sales" in stream.getvalue()
    assert "hush" not in stream.getvalue()
    assert "\x1b[" not in stream.getvalue()


PRIVATE = (
    *("access_token", "refresh_token", "client_secret", "secret_key", "password", "Authorization", "x-api-key", "Set-Cookie"),
    *("email", "customer_email", "name", "first_name", "company_name", "address", "invoice_address_1", "phone", "mobile_phone"),
    *("street", "postal_code", "city", "vat_number", "iban"),
)


@pytest.mark.parametrize("key", PRIVATE)
def test_a_private_key_never_shows_its_value(stream: io.StringIO, key: str) -> None:
    """At the top, and however deep."""
    configure("info", "json", stream=stream)
    structlog.get_logger().info("x", **{key: "hush"}, deep={"list": [{key: "hush"}]}, pair=({key: ["hush"]},))
    assert "hush" not in stream.getvalue()
    assert stream.getvalue().count(REDACTED) == 3


def test_what_is_public_stays() -> None:
    """The words a person needs to find the cause."""
    event = {"event": "held", "flow": "sales", "reason": "sum_differs", "label": "R-1", "filename": "a.toml", "elapsed": 0.25, "none": None}
    assert redact(event) == event
    assert redact({"token": None, "secret": ""}) == {"token": None, "secret": ""}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("to jan.de-vries+shop@mail.example.co.uk now", f"to {REDACTED} now"),
        ("Authorization: Bearer abcdefgh.ijk-l", f"Authorization: Bearer {REDACTED}"),
        ('{"access_token": "abc", "x": 1}', f'{{"access_token": "{REDACTED}", "x": 1}}'),
        ("grant&client_secret=abc&x=1", f"grant&client_secret={REDACTED}&x=1"),
        ("mailto://user:pass@host/", f"mailto://{REDACTED}@host/"),
        ("receipt 581492 of 12.50 @ 21 %", "receipt 581492 of 12.50 @ 21 %"),
    ],
)
def test_texts_are_cleaned_too(text: str, wanted: str) -> None:
    """E-mail addresses, bearer tokens, assigned secrets and credentials in addresses."""
    assert clean(text) == wanted


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_redaction_takes_anything_and_leaves_json(value: Any) -> None:
    """Whatever is logged can be written, and redacting twice changes nothing more."""
    once = redact(value)
    json.dumps(once)
    assert redact(once) == once


def test_what_is_said_again_and_again_is_counted() -> None:
    """Twenty lines of a kind a minute are written, whatever numbers stand in them; the next line after that says how many were not."""
    clock = [0.0]
    flood = Flood(lambda: clock[0])
    kinds = [kind_of({"level": "warning", "event": f"socket {number} is lost", "link": "shop"}) for number in range(500)]
    assert [flood.admits(kind) for kind in kinds].count(True) == MOST_LINES
    assert flood.admits(kind_of({"level": "warning", "event": "socket 1 is lost", "link": "other"}))
    assert flood.left_out() == {}
    clock[0] = WINDOW_SECONDS
    assert flood.left_out() == {"socket # is lost": 500 - MOST_LINES}
    assert flood.left_out() == {}
    assert flood.admits(kinds[0])


def test_a_flood_of_kinds_is_bounded_too() -> None:
    """What is remembered does not grow with what is said."""
    flood = Flood(lambda: 0.0)
    for number in range(5_000):
        flood.admits(("warning", "x" * number))
    assert len(flood._windows) < 1_000


def test_lines_that_are_left_out_are_counted_in_the_metrics(stream: io.StringIO) -> None:
    """Ours and the libraries': the log is short, the counter is not."""
    metrics = Metrics()
    configure("info", "json", metrics, stream=stream)
    for _ in range(100):
        structlog.get_logger().warning("again", flow="sales")
        logging.getLogger("library").warning("and again")
    assert [line["event"] for line in lines(stream)].count("again") == MOST_LINES
    assert [line["event"] for line in lines(stream)].count("and again") == MOST_LINES
    assert 'kassabrug_log_messages_total{level="warning"} 200.0' in metrics.render().decode()
