"""Telling people: each alert once when it begins, again while it lasts, and once when it is over.

What was told is remembered in the store, so that a restart repeats nothing.  It is remembered after it was delivered: a process that
dies in between tells twice rather than never.  Texts are ours; they hold no personal data, and what slips into a vendor's words is
taken out before they leave.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import structlog

from daemon.core.message import message
from daemon.core.outside import clean, said
from daemon.state.port import AlertRow
from daemon.text import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.port import Clock
    from daemon.core.message import Text
    from daemon.observe.metrics import Metrics
    from daemon.state.port import Store
    from daemon.text import Speaker

#: takes title, body and severity (``info``, ``warning``, ``critical``); tells whether anybody was reached
Deliver = Callable[[str, str, str], Awaitable[bool]]
#: how long a delivery that failed is left alone
RETRY_AFTER: Final = timedelta(minutes=1)
#: so much is told at once: a mail that somebody reads
_LONGEST: Final = 4_000

_log = structlog.get_logger(__name__)


class Alerts:
    """The alerts of one process.  ``fingerprint`` says what is wrong with what (``flow_failing:shop:sales``), never with which record."""

    def __init__(
        self, store: Store, clock: Clock, deliver: Deliver, metrics: Metrics, repeat_hours: float = 24, *, say: Speaker = ENGLISH
    ) -> None:
        self._store = store
        self._clock = clock
        self._deliver = deliver
        self._metrics = metrics
        self._repeat = timedelta(hours=repeat_hours)
        self._say = say
        #: the alerts that are not over, by fingerprint, oldest first; read from the store once, and written through from then on
        self._active: dict[str, AlertRow] | None = None
        self._busy: set[str] = set()  # being told by another task right now
        self._not_before: dict[str, datetime] = {}  # failed deliveries

    async def raise_alert(self, fingerprint: str, summary: Text, severity: str, body: Text = "") -> None:
        """Tell that something is wrong, unless that was told less than ``repeat_hours`` ago.  May be called as often as it is seen."""
        if fingerprint in self._busy:
            return
        self._busy.add(fingerprint)
        try:
            await self._tell_if_due(fingerprint, said(summary), severity, said(body, limit=_LONGEST))
        finally:
            self._busy.discard(fingerprint)

    async def _tell_if_due(self, fingerprint: str, summary: Text, severity: str, body: Text) -> None:
        now = self._clock.now()
        known = (await self._known()).get(fingerprint)
        if known is None:
            _log.warning("alert", fingerprint=fingerprint, summary=str(summary), severity=severity)
            row = AlertRow(fingerprint, now, None, None, summary, severity)
            await self._save(row)
            self._not_before.pop(fingerprint, None)
        else:
            row = replace(known, summary=summary, severity=severity)
        if row.last_sent is not None and now - row.last_sent < self._repeat:
            return
        if now < self._not_before.get(fingerprint, now):
            return
        parts = [self._say(body or summary)]
        if row.last_sent is not None:
            parts.append(self._say(message("alert.since", since=_moment(row.first_seen))))
        # once more in words: what is private may show only when they stand together
        if await self._deliver(_title(self._say(summary)), clean("\n\n".join(parts), limit=_LONGEST, lines=True), severity):
            await self._save(replace(row, last_sent=now))
        else:
            self._not_before[fingerprint] = now + RETRY_AFTER

    async def resolve(self, fingerprint: str) -> None:
        """Tell once that it is over, if it was told that it began.  May be called as often as all is well."""
        if fingerprint in self._busy:
            return
        self._busy.add(fingerprint)
        try:
            row = (await self._known()).get(fingerprint)
            if row is None:
                return
            now = self._clock.now()
            _log.info("alert over", fingerprint=fingerprint, summary=str(row.summary))
            if row.last_sent is not None:
                lasted = message("alert.lasted", since=_moment(row.first_seen), until=_moment(now))
                await self._deliver(_title(self._say(message("alert.over", summary=row.summary))), self._say(lasted), "info")
            await self._save(replace(row, resolved_at=now))
        finally:
            self._busy.discard(fingerprint)

    async def active(self) -> Sequence[AlertRow]:
        """Return the alerts that are not over, oldest first."""
        return sorted((await self._known()).values(), key=lambda row: (row.first_seen, row.fingerprint))

    async def _known(self) -> dict[str, AlertRow]:
        if self._active is None:
            rows = await self._store.alerts()
            if self._active is None:  # another task may have been as early, and have saved one since
                self._active = {row.fingerprint: row for row in rows if row.resolved_at is None}
        return self._active

    async def _save(self, row: AlertRow) -> None:
        """Remember an alert: durable first, so that a store that fails is not contradicted by what is remembered here."""
        await self._store.save_alert(row)
        active = await self._known()
        if row.resolved_at is None:
            active[row.fingerprint] = row
        else:
            active.pop(row.fingerprint, None)


def _title(text: str) -> str:
    return f"Kassabrug: {clean(text)}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def apprise_deliver(urls: Sequence[str], metrics: Metrics, *, wait_seconds: float = 30) -> Deliver:
    """Return a :data:`Deliver` that hands each alert to every Apprise address and counts the results by the address's scheme.

    Apprise blocks and takes half a second to import, so it is loaded with the first alert, and works in a thread that is given up
    after ``wait_seconds``.  Without an address the log line is all there is, and that counts as delivered.
    """
    channels = [(url.split(":", 1)[0].lower(), url) for url in urls]
    for channel, _ in channels:
        metrics.alert_channel(channel)

    async def to_one(channel: str, url: str, message: tuple[str, str, str], reached: list[str]) -> None:
        sent = False
        with anyio.move_on_after(wait_seconds):
            sent = await anyio.to_thread.run_sync(_notify, url, message, abandon_on_cancel=True)
        metrics.alert_delivery(channel, "ok" if sent else "error")
        if sent:
            reached.append(channel)
        else:
            _log.error("alert not delivered", channel=channel)

    async def deliver(title: str, body: str, severity: str) -> bool:
        reached: list[str] = []
        async with anyio.create_task_group() as group:
            for channel, url in channels:
                group.start_soon(to_one, channel, url, (title, body, severity), reached)
        return bool(reached) or not channels

    return deliver


def _notify(url: str, message: tuple[str, str, str]) -> bool:
    try:
        import apprise  # noqa: PLC0415 (half a second, only when there is something to tell)

        title, body, severity = message
        kinds: dict[str, Any] = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
        target = apprise.Apprise()
        kind = kinds.get(severity, apprise.NotifyType.INFO)
        if not target.add(url):
            return False
        plain = apprise.NotifyFormat.TEXT
        for server in target:
            # whatever the address asks for (format=html): words from outside are never markup in a mail
            formats: Any = server.notify_format  # several or one, whatever its type says
            if isinstance(formats, tuple) and plain in formats:
                server.notify_format = plain
        return bool(target.notify(body=body, title=title, notify_type=kind, body_format=plain))
    except Exception:  # noqa: BLE001 (a hundred plug-ins, each with its own errors; none may stop the work, and each is counted)
        return False
