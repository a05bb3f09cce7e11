"""Alerts: told once, again while it lasts, and once when it is over."""

from __future__ import annotations

import email
import email.policy
import sys
import threading
import types
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import anyio
import anyio.abc
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from daemon.observe.alerts import Alerts, apprise_deliver
from daemon.observe.metrics import Metrics
from daemon.state.port import AlertRow
from daemon.web.serve import bind, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from email.message import EmailMessage

    from anyio.abc import SocketStream
    from starlette.requests import Request

    from daemon.state.port import Store

START = datetime(2026, 5, 12, 12, tzinfo=UTC)


@dataclass
class Rows:
    """The part of the store that alerts use."""

    rows: dict[str, AlertRow] = field(default_factory=dict)
    reads: int = 0
    writes: int = 0

    async def alerts(self) -> Sequence[AlertRow]:
        """All of them."""
        self.reads += 1
        await anyio.lowlevel.checkpoint()
        return list(self.rows.values())

    async def save_alert(self, row: AlertRow) -> None:
        """Remember one."""
        self.writes += 1
        await anyio.lowlevel.checkpoint()
        self.rows[row.fingerprint] = row


@dataclass
class Hands:
    """A clock that is moved by hand, and a channel that keeps what it is given."""

    time: datetime = START
    works: bool = True
    told: list[tuple[str, str, str]] = field(default_factory=list)

    def now(self) -> datetime:
        """The time set."""
        return self.time

    def monotonic(self) -> float:
        """The same as seconds."""
        return self.time.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Move the time."""
        self.time += timedelta(seconds=seconds)

    async def deliver(self, title: str, body: str, severity: str) -> bool:
        """Keep it, or fail."""
        await anyio.lowlevel.checkpoint()
        if self.works:
            self.told.append((title, body, severity))
        return self.works

    def titles(self) -> list[str]:
        """What was told, in short."""
        return [title for title, _, _ in self.told]


@pytest.fixture
def rows() -> Rows:
    """An empty store."""
    return Rows()


@pytest.fixture
def hands() -> Hands:
    """Noon, and a channel that works."""
    return Hands()


@pytest.fixture
def alerts(rows: Rows, hands: Hands) -> Alerts:
    """Alerts that repeat after a day."""
    return Alerts(cast("Store", rows), hands, hands.deliver, Metrics(), repeat_hours=24)


async def test_an_alert_is_told_once_however_often_it_is_seen(alerts: Alerts, hands: Hands) -> None:
    """Every failing run raises it."""
    for _ in range(50):
        await alerts.raise_alert("flow:shop:sales", "sales of shop fail", "critical", "What to do.")
        await hands.sleep(60)
    assert hands.told == [("Kassabrug: sales of shop fail", "What to do.", "critical")]


async def test_what_lasts_is_told_again(alerts: Alerts, hands: Hands) -> None:
    """After a day, with the moment it began."""
    for _ in range(50):
        await alerts.raise_alert("f", "s", "warning")
        await hands.sleep(3600)
    assert hands.titles() == ["Kassabrug: s"] * 3
    assert "Since 2026-05-12 12:00 UTC." in hands.told[1][1]


async def test_the_end_is_told_once(alerts: Alerts, hands: Hands) -> None:
    """Every good run resolves it; without an alert that is nothing."""
    await alerts.resolve("f")
    await alerts.raise_alert("f", "s", "critical")
    await hands.sleep(5400)
    for _ in range(3):
        await alerts.resolve("f")
    assert hands.titles() == ["Kassabrug: s", "Kassabrug: over: s"]
    assert hands.told[1][1:] == ("It lasted from 2026-05-12 12:00 to 2026-05-12 13:30 UTC.", "info")
    await alerts.raise_alert("f", "s", "critical")
    assert hands.titles()[2:] == ["Kassabrug: s"]


async def test_a_restart_repeats_nothing(alerts: Alerts, rows: Rows, hands: Hands) -> None:
    """What was told is in the store."""
    await alerts.raise_alert("f", "s", "critical")
    again = Alerts(cast("Store", rows), hands, hands.deliver, Metrics())
    await again.raise_alert("f", "s", "critical")
    assert len(hands.told) == 1
    await again.resolve("f")
    assert hands.titles() == ["Kassabrug: s", "Kassabrug: over: s"]


async def test_what_could_not_be_delivered_is_tried_again_but_not_at_once(alerts: Alerts, rows: Rows, hands: Hands) -> None:
    """A mail server that is down is asked once a minute, and the alert is remembered as not told."""
    hands.works = False
    attempts = 0
    deliver = hands.deliver

    async def counted(title: str, body: str, severity: str) -> bool:
        nonlocal attempts
        attempts += 1
        return await deliver(title, body, severity)

    alerts._deliver = counted
    for _ in range(12):
        await alerts.raise_alert("f", "s", "critical")
        await hands.sleep(10)
    assert attempts == 2
    assert rows.rows["f"].last_sent is None
    hands.works = True
    await alerts.raise_alert("f", "s", "critical")
    assert hands.titles() == ["Kassabrug: s"]


async def test_nobody_is_told_the_end_of_what_they_never_heard_of(alerts: Alerts, hands: Hands) -> None:
    """A delivery that failed all along ends in silence."""
    hands.works = False
    await alerts.raise_alert("f", "s", "critical")
    hands.works = True
    await alerts.resolve("f")
    assert hands.told == []


async def test_two_who_see_it_at_once_tell_it_once(alerts: Alerts, hands: Hands) -> None:
    """Several workers meet the same fault in the same moment."""
    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(alerts.raise_alert, "f", "s", "critical")
    assert len(hands.told) == 1


async def test_active_alerts_are_those_that_are_not_over(alerts: Alerts, hands: Hands) -> None:
    """Oldest first."""
    for name in ("b", "a", "c"):
        await alerts.raise_alert(name, name, "warning")
        await hands.sleep(1)
    await alerts.resolve("a")
    assert [row.fingerprint for row in await alerts.active()] == ["b", "c"]


async def test_looking_after_a_thousand_things_costs_the_store_nothing(alerts: Alerts, rows: Rows) -> None:
    """The table is read once in the life of a process; all that goes on as it was is neither read nor written again."""
    for number in range(1000):
        rows.rows[f"old{number}"] = AlertRow(f"old{number}", START, START, START, "over long ago", "warning")
    await alerts.raise_alert("f", "s", "critical")
    written = rows.writes
    for _ in range(20):
        await alerts.raise_alert("f", "s", "critical")
        for number in range(1000):
            await alerts.resolve(f"old{number}")
        await alerts.active()
    assert (rows.reads, rows.writes) == (1, written)


async def test_several_who_are_the_first_lose_none(alerts: Alerts, rows: Rows) -> None:
    """Each alert is remembered as not over, however the first reading of the table falls between them."""
    async with anyio.create_task_group() as group:
        for number in range(5):
            group.start_soon(alerts.raise_alert, f"f{number}", "s", "critical")
    assert [row.fingerprint for row in await alerts.active()] == [f"f{number}" for number in range(5)]


async def test_no_secret_and_no_person_leaves_in_an_alert(alerts: Alerts, rows: Rows, hands: Hands) -> None:
    """Not even when it slipped in with a vendor's words."""
    await alerts.raise_alert("f", "refused for jan@example.org", "critical", "client_secret=hush was refused")
    assert "jan@" not in str(hands.told) + str(rows.rows)
    assert "hush" not in str(hands.told) + str(rows.rows)


class FakeApprise:
    """Stands in for apprise: remembers what is sent where, and does what the address says."""

    sent: list[tuple[str, str, str, str]]
    at_notify: Callable[[], None]

    def __init__(self) -> None:
        self.url = ""

    def add(self, url: str) -> bool:
        """Accept anything but the unusable."""
        self.url = url
        return not url.startswith("unusable")

    def __iter__(self) -> Iterator[types.SimpleNamespace]:
        """One channel that takes markup and text."""
        yield types.SimpleNamespace(notify_format=("html", "text"))

    def notify(self, *, body: str, title: str, notify_type: str, body_format: str) -> bool:
        """Do what the address says."""
        assert body_format == "text"
        if "raise" in self.url:
            raise RuntimeError(self.url)
        FakeApprise.at_notify()
        FakeApprise.sent.append((self.url, title, body, notify_type))
        return "refuse" not in self.url


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeApprise]:
    """Put the stand-in where the real one would be imported."""
    kinds = types.SimpleNamespace(FAILURE="failure", WARNING="warning", INFO="info")
    monkeypatch.setitem(
        sys.modules,
        "apprise",
        types.SimpleNamespace(Apprise=FakeApprise, NotifyType=kinds, NotifyFormat=types.SimpleNamespace(TEXT="text")),
    )
    FakeApprise.sent = []
    FakeApprise.at_notify = lambda: None
    return FakeApprise


def deliveries(metrics: Metrics) -> dict[str, str]:
    """Return the delivery counters that are not 0."""
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("kassabrug_alert_deliveries_total{")]
    return {name.split("{")[1]: value for name, value in (line.rsplit(" ", 1) for line in lines) if value != "0.0"}


async def test_every_channel_is_told_and_counted(fake: type[FakeApprise]) -> None:
    """One that fails does not keep the others from being told; the label is the scheme, never the address."""
    metrics = Metrics()
    deliver = apprise_deliver(["json://good", "mailto://refuse", "ntfy://raise-secret", "unusable://x"], metrics)
    assert await deliver("t", "b", "critical")
    assert ("json://good", "t", "b", "failure") in fake.sent
    found = await anyio.to_thread.run_sync(deliveries, metrics)
    assert found == {
        'channel="json",result="ok"}': "1.0",
        'channel="mailto",result="error"}': "1.0",
        'channel="ntfy",result="error"}': "1.0",
        'channel="unusable",result="error"}': "1.0",
    }


async def test_it_failed_when_no_channel_took_it(fake: type[FakeApprise]) -> None:
    """Then it is tried again later."""
    assert not await apprise_deliver(["mailto://refuse"], Metrics())("t", "b", "info")


async def test_without_an_address_the_log_is_enough(fake: type[FakeApprise]) -> None:
    """It counts as delivered, and apprise is not even loaded."""
    assert await apprise_deliver([], Metrics())("t", "b", "info")
    assert fake.sent == []


async def test_a_channel_that_hangs_is_given_up(fake: type[FakeApprise]) -> None:
    """The work does not wait for a mail server."""
    release = threading.Event()
    FakeApprise.at_notify = lambda: cast("None", release.wait(10))
    metrics = Metrics()
    try:
        assert not await apprise_deliver(["json://slow"], metrics, wait_seconds=0.05)("t", "b", "warning")
    finally:
        release.set()
    assert await anyio.to_thread.run_sync(deliveries, metrics) == {'channel="json",result="error"}': "1.0"}


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it where it is still there
async def test_the_real_apprise_delivers() -> None:
    """The stand-in above agrees with it on what matters: one message for each channel, and no exception for an unknown scheme."""
    heard: list[dict[str, str]] = []

    async def hook(request: Request) -> Response:
        heard.append(await request.json())
        return Response()

    async with anyio.create_task_group() as group:
        url = await group.start(serve, Starlette(routes=[Route("/", hook, methods=["POST"])]), bind("127.0.0.1", 0))
        channel = url.replace("http://", "json://")
        assert await apprise_deliver([channel, "no-such-scheme://x"], Metrics())("Kassabrug: s", "What to do.", "critical")
        assert not await apprise_deliver(["no-such-scheme://x"], Metrics())("t", "b", "critical")
        group.cancel_scope.cancel()
    assert [(one["title"], one["message"], one["type"]) for one in heard] == [("Kassabrug: s", "What to do.", "failure")]


# the library's part for mails asks for a module that Python has until 3.13
@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
@pytest.mark.parametrize("asked", ["", "&format=html"])
async def test_a_mail_is_plain_text_whatever_its_address_asks_for(asked: str) -> None:
    """A vendor's words in angle brackets are letters in it: no part of it is HTML, and nothing in it fetches anything."""
    mails: list[EmailMessage] = []
    text = 'refused: <img src="https://evil.example/x"> <b>bold</b> &amp;'

    async def answer(stream: SocketStream) -> None:
        async with stream:
            await stream.send(b"220 here\r\n")
            body, buffered, reading = b"", b"", False
            while chunk := await stream.receive():
                buffered += chunk
                while b"\r\n" in buffered:
                    line, _, buffered = buffered.partition(b"\r\n")
                    if reading and line == b".":
                        mails.append(email.message_from_bytes(body, policy=email.policy.default))
                        reading = False
                        await stream.send(b"250 taken\r\n")
                    elif reading:
                        body += line + b"\r\n"
                    elif line.upper().startswith(b"QUIT"):
                        await stream.send(b"221 bye\r\n")
                        return
                    elif line.upper() == b"DATA":
                        reading = True
                        await stream.send(b"354 go on\r\n")
                    else:
                        await stream.send(b"250 yes\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - anyio's, not a query
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        address = f"mailto://127.0.0.1:{port}?from=bridge@example.nl&to=shop@example.nl{asked}"
        assert await apprise_deliver([address], Metrics())("Kassabrug: refused", text, "critical")
        group.cancel_scope.cancel()
    [mail] = mails
    assert [part.get_content_type() for part in mail.walk()] == ["text/plain"]
    assert mail.get_content().strip() == text
