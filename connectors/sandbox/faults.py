"""Faults on demand: a seeded plan, and the ASGI middleware that carries out what can be done to any vendor's answer.

``duplicate_page``, ``shifted_page``, ``stale_index_seconds``, ``clock_skew_seconds``, ``revoke_token_after`` and ``webhook_...`` change
what a vendor answers or tells and are read from the same plan by the vendors' sandboxes.  What happens to a connection really happens to
it: a reset is a TCP reset, a refusal is a port on which nobody listens (see :mod:`connectors.sandbox.serve`).

What is not a matter of chance, a vendor that is away for an hour, is an outage (see :mod:`connectors.sandbox.outages`); a plan holds them
so that a faults file can say them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from decimal import Decimal
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Protocol

import anyio

from connectors.sandbox.outages import Outages, read_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: requests to these paths are a person's or a test's, and never fail on purpose
CONTROL = "/_sandbox/"
#: key of the ASGI scope's extensions under which the server puts the connection
CONNECTION = "sandbox.connection"
#: faults decided for a request as it comes in; at most one of them strikes a request
_STRIKES = ("reset_before", "reset_after", "slow", "cut_body", "not_json", "status_429", "status_500", "post_204", "empty_body")
#: whose tables a faults file can have
VENDORS = ("eaccounting", "salespos")
_RATES = ("refuse", *_STRIKES, "duplicate_page", "shifted_page", "webhook_lost", "webhook_repeated", "webhook_reordered")
#: a year in seconds, and more requests than a sandbox ever gets
_LARGEST = 31_622_400
_HIGHEST_SEED = 2**63 - 1
_SIGNED = ("clock_skew_seconds",)
_WHOLE = ("revoke_token_after", "seed")
_NO_CONTENT = 204
MAINTENANCE = b"<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body><h1>We will be right back</h1></body></html>"


@dataclass
class FaultPlan:
    """How often what goes wrong.  Rates run from 0 to 1 a request; a plan may be changed while it is in use."""

    refuse: float = 0.0
    """After a request nobody listens on the port for ``refuse_seconds``; 1 means that nobody ever does."""
    reset_before: float = 0.0
    """The connection is reset before the request had an effect."""
    reset_after: float = 0.0
    """The connection is reset after the request had its effect, before any answer."""
    slow: float = 0.0
    """The answer comes ``slow_seconds`` after the effect."""
    cut_body: float = 0.0
    """Half of the answer's body arrives, then the connection ends."""
    not_json: float = 0.0
    """The effect happens, and the answer is an HTML page with status 200."""
    status_429: float = 0.0
    """Refused with 429, without effect."""
    status_500: float = 0.0
    """Answered with 500; every other time the request had its effect."""
    duplicate_page: float = 0.0
    """A listing answers a page of which some records were on the page before."""
    shifted_page: float = 0.0
    """A listing misses a record at the edge of a page because something moved."""
    post_204: float = 0.0
    """A POST has its effect and is answered with 204 and no body."""
    empty_body: float = 0.0
    """The effect happens, and the answer has its status but no body."""
    webhook_lost: float = 0.0
    """A webhook is never called."""
    webhook_repeated: float = 0.0
    """A webhook is called twice."""
    webhook_reordered: float = 0.0
    """A webhook is called before the one that was due before it."""
    stale_index_seconds: float = 0.0
    """So long after a write its record is not yet in listings."""
    clock_skew_seconds: float = 0.0
    """The vendor's clock is so far ahead (or behind, when negative)."""
    revoke_token_after: int = 0
    """After so many requests the access token is no longer accepted; 0 is never."""
    refuse_seconds: float = 0.25
    """How long a refusal lasts."""
    slow_seconds: float = 1.0
    """How late a slow answer is."""
    seed: int = 0
    """Seeds what strikes when."""
    outages: Outages = field(default_factory=Outages, init=False, repr=False, compare=False)
    """What fails for a while by address and time; ``outage`` in a faults file."""
    fired: Counter[str] = field(default_factory=Counter, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the rates and seed the dice."""
        self._random = Random(self.seed)  # noqa: S311 - a seeded simulation, not a secret
        self.update({})

    def update(self, changes: Mapping[str, object]) -> None:
        """Take over ``changes`` (names and numbers as in a faults file; ``outage`` replaces all outages that there were).

        Raises:
            ValueError: an unknown name, something that is not a number, a rate outside 0 to 1, or an outage that makes no sense; the plan
                is left as it was.
        """
        changes = dict(changes)
        outages = read_all(changes.pop("outage")) if "outage" in changes else None
        known = {one.name for one in fields(self) if one.init}
        merged = {name: getattr(self, name) for name in known}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"unknown fault {name!r}, expected one of {', '.join(sorted({*known, 'outage'}))}")
            merged[name] = _read_number(name, value)
        for name in _RATES:
            if not 0 <= merged[name] <= 1:
                raise ValueError(f"{name}: {merged[name]!r} is not a rate from 0 to 1")
        for name, value in merged.items():
            setattr(self, name, value)
        if outages is not None:
            self.outages.replace(outages)
        if "seed" in changes:
            self._random = Random(self.seed)  # noqa: S311 - a seeded simulation, not a secret

    def as_json(self) -> dict[str, float]:
        """Return the plan without its outages as a faults file would say it."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.init}

    def fires(self, name: str) -> bool:
        """Throw the dice for the fault ``name`` and count it when it strikes."""
        rate: float = getattr(self, name)
        if rate <= 0 or self._random.random() >= rate:
            return False
        self.fired[name] += 1
        return True

    def strike(self, method: str) -> str | None:
        """Choose what happens to a request, or ``None``."""
        return next((name for name in _STRIKES if (name != "post_204" or method == "POST") and self.fires(name)), None)


class BrokenFaults(ValueError):
    """The tables of a faults file make no sense; ``names`` lead to the place."""

    def __init__(self, names: tuple[str, ...], text: str) -> None:
        super().__init__(": ".join((*names[:1], text)))
        self.names = names


def read(tables: Mapping[str, object]) -> dict[str, FaultPlan]:
    """Read what a faults file holds: a table for each vendor, as TOML has it.

    Raises:
        BrokenFaults: a table with something wrong in it; one line.
    """
    plans: dict[str, FaultPlan] = {}
    for vendor, table in tables.items():
        if vendor not in VENDORS:
            raise BrokenFaults((vendor,), f"expected a table named {' or '.join(VENDORS)}")
        if not isinstance(table, dict):
            raise BrokenFaults((vendor,), "expected a table of faults")
        plans[vendor] = FaultPlan()
        try:
            plans[vendor].update(table)
        except ValueError as error:
            named = str(error).partition(":")[0]
            raise BrokenFaults((vendor, named) if named in table else (vendor,), str(error)) from error
    return plans


def _read_number(name: str, value: object) -> float:
    """Return a number of a plan, or of an outage, as it is reckoned with.

    Raises:
        ValueError: it is none, or none that a sandbox can live with.
    """
    number = float(value) if isinstance(value, Decimal) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ValueError(f"{name}: {value!r} is not a number")  # noqa: TRY004 - to a reader of the file it is a wrong value
    most = _HIGHEST_SEED if name == "seed" else _LARGEST
    if not isfinite(number) or abs(number) > most:
        raise ValueError(f"{name}: {value!s:.40} is not a number up to {most}")
    if number < 0 and name not in _SIGNED:
        raise ValueError(f"{name}: {value!r} is less than 0")
    if name in _WHOLE and number != int(number):
        raise ValueError(f"{name}: {value!r} is not a whole number")
    return int(number) if name in _WHOLE else number


class Connection(Protocol):
    """What the server lets a fault do to the TCP connection of a request."""

    def reset(self) -> None:
        """End the connection with a TCP reset; what was not yet sent is lost."""
        ...

    def hang_up(self) -> None:
        """End the connection after what was written is sent."""
        ...

    def stop_listening(self, still: Callable[[], bool] | None = None) -> None:
        """Close the port and the idle connections for a while, and for as long as ``still`` says so."""
        ...


def plain_error(status: int) -> tuple[str, bytes]:
    """Return content type and body of a refusal that no vendor in particular would send."""
    return "application/json", b'{"status":%d,"message":"fault on demand"}' % status


class FaultMiddleware:
    """Stands in front of a sandbox and lets its plan strike.

    ``errors`` gives content type and body of the vendor's own 429 and 500; ``seal`` the headers that depend on the body, for answers
    whose body the vendor itself left out (``post_204``, ``empty_body``).  Without a real connection (an app called in process)
    a reset is raised as :class:`ConnectionResetError`.
    """

    def __init__(
        self,
        app: ASGIApp,
        plan: FaultPlan,
        *,
        errors: Callable[[int], tuple[str, bytes]] = plain_error,
        seal: Callable[[Scope, bytes], list[tuple[bytes, bytes]]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.app = app
        self.plan = plan
        self._errors = errors
        self._seal = seal
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or fail to (ASGI)."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self.app(scope, receive, send)
            return
        fault = self.plan.strike(scope["method"])
        if fault is None:
            await self.app(scope, receive, send)
        else:
            await self._strike(fault, scope, receive, send)
        connection = connection_of(scope)
        if connection is not None and self.plan.fires("refuse"):
            connection.stop_listening()

    async def _strike(self, fault: str, scope: Scope, receive: Receive, send: Send) -> None:
        if fault == "reset_before":
            reset(scope)
            return
        if fault == "status_429" or (fault == "status_500" and self.plan.fired[fault] % 2):
            kind, body = self._errors(int(fault.removeprefix("status_")))
            await reply(send, int(fault.removeprefix("status_")), [(b"content-type", kind.encode())], body)
            return
        answer = Collected()
        await self.app(scope, receive, answer)
        if fault == "reset_after":
            reset(scope)
        elif fault == "slow":
            await self._sleep(self.plan.slow_seconds)
            await reply(send, answer.status, answer.headers, answer.body)
        elif fault == "cut_body":
            await _cut(answer, scope, send)
        elif fault == "not_json":
            await reply(send, 200, [(b"content-type", b"text/html; charset=utf-8")], MAINTENANCE)
        elif fault == "status_500":
            kind, body = self._errors(500)
            await reply(send, 500, [(b"content-type", kind.encode())], body)
        else:
            await reply(send, _NO_CONTENT if fault == "post_204" else answer.status, self._emptied(scope, answer.headers), b"")

    def _emptied(self, scope: Scope, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers for the same answer without its body."""
        sealed = self._seal(scope, b"") if self._seal is not None else []
        renewed = {name for name, _ in sealed} | {b"content-type"}
        return [(name, value) for name, value in headers if name not in renewed] + sealed


class Collected:
    """Collects what the app sends."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    async def __call__(self, message: Message) -> None:
        """Take a message (ASGI)."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.lower(), value) for name, value in message.get("headers", [])]
        else:
            self.body += message.get("body", b"")


async def reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole answer."""
    kept = [(name, value) for name, value in headers if name != b"content-length"]
    if status != _NO_CONTENT:
        kept.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": body})


async def _cut(answer: Collected, scope: Scope, send: Send) -> None:
    """Promise the whole body and send half of it; a body too short to be cut arrives whole."""
    connection = connection_of(scope)
    half = answer.body[: len(answer.body) // 2]
    if not half:
        await reply(send, answer.status, answer.headers, answer.body)
        return
    if connection is None:
        raise ConnectionResetError("the answer ended before its end")
    headers = [(name, value) for name, value in answer.headers if name != b"content-length"]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": half, "more_body": True})
    connection.hang_up()


def connection_of(scope: Scope) -> Connection | None:
    """Return the TCP connection of a request, ``None`` where the app is called in process."""
    connection: Connection | None = scope.get("extensions", {}).get(CONNECTION)
    return connection


def reset(scope: Scope) -> None:
    """End a request's connection with a TCP reset, or raise what the socket would have reported."""
    connection = connection_of(scope)
    if connection is None:
        raise ConnectionResetError("connection reset on demand")
    connection.reset()
