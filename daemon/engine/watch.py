"""What is known of a connection from its traffic: whether it answers, and whether it must be signed in to again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.port import Clock
    from daemon.observe.metrics import Metrics

_UNAUTHORIZED = 401
_FIRST_ERROR = 400
#: one refused request may be an access token that has just expired; a second one in a row is not
_REFUSALS = 2


class ConnectionWatch:
    """The observer of one connection; implements :class:`connectors.port.HttpObserver`.

    ``side`` is the kind of the vendor (a label of the metrics), ``name`` the connection's own.
    """

    def __init__(self, name: str, side: str, metrics: Metrics, clock: Clock) -> None:
        self.name = name
        self.side = side
        self.reauth_required = False
        self.last_answer: datetime | None = None
        self.failing_since: datetime | None = None
        self.last_seconds: float | None = None
        self._refusals = 0
        self._metrics = metrics
        self._clock = clock

    def exchange(self, side: str, method: str, status: int | None, seconds: float) -> None:  # noqa: ARG002 - ours is meant
        """Note an exchange."""
        self._metrics.exchange(self.side, method, status, seconds)
        now = self._clock.now()
        if status is None:
            self.failing_since = self.failing_since or now
            return
        self.last_answer, self.failing_since, self.last_seconds = now, None, seconds
        if status == _UNAUTHORIZED:
            self._refusals += 1
            if self._refusals >= _REFUSALS:
                self._set_reauth(required=True)
        elif status < _FIRST_ERROR:
            self._refusals = 0
            self._set_reauth(required=False)

    def throttled(self, side: str) -> None:  # noqa: ARG002 - as above
        """Note that the vendor was asked too often."""
        self._metrics.throttled(self.side)

    def waited(self, side: str, seconds: float) -> None:  # noqa: ARG002 - as above
        """Note a wait for the rate budget."""
        self._metrics.waited(self.side, seconds)

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:  # noqa: ARG002 - as above
        """Note the end of a token refresh."""
        self._metrics.refreshed(self.side, result, expires_at)
        if result in {"ok", "denied"}:
            self._set_reauth(required=result == "denied")

    def _set_reauth(self, *, required: bool) -> None:
        if required != self.reauth_required:
            self.reauth_required = required
            self._metrics.reauth(self.side, required)
