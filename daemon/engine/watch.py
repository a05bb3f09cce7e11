"""What is known of a connection from its traffic: whether it answers, and whether it must be signed in to again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from connectors.port import Clock
    from daemon.observe.metrics import Metrics

_UNAUTHORIZED = 401
_FIRST_ERROR = 400
#: one refused request may be a clock that differs; a second one in a row is not
_REFUSALS = 2
#: how long a vendor that refuses our keys is left alone before one more try (seconds)
_LEFT_ALONE = 60.0


class ConnectionWatch:
    """The observer of one connection; implements :class:`connectors.port.HttpObserver`.

    ``side`` is the kind of the vendor (a label of the metrics), ``name`` the connection's own.  A connector that renews tokens says by
    itself, through :meth:`refreshed`, whether the sign-in is good; for one with keys the answers to its requests tell.
    """

    def __init__(self, name: str, side: str, metrics: Metrics, clock: Clock) -> None:
        self.name = name
        self.side = side
        #: the state ``needs_reauth``: a person has to sign in again, or to correct the keys
        self.reauth_required = False
        #: whether the vendor has taken our sign-in since the process began
        self.proven = False
        self.last_answer: datetime | None = None
        self.failing_since: datetime | None = None
        self.last_seconds: float | None = None
        self._refusals = 0
        self._renews = False
        self._left_alone_until = 0.0
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
        if self._renews:
            return
        if status == _UNAUTHORIZED:
            self._refusals += 1
            if self._refusals >= _REFUSALS:
                self._left_alone_until = self._clock.monotonic() + _LEFT_ALONE
                self._set_reauth(required=True)
        elif status < _FIRST_ERROR:
            self._refusals = 0
            self._set_reauth(required=False)

    @property
    def cure(self) -> str:
        """What a person does about :attr:`reauth_required`."""
        return f"kassabrug login {self.name}" if self._renews else f"correct the keys of {self.name} in the configuration, and restart"

    @property
    def left_alone(self) -> bool:
        """Whether the keys were refused so lately that asking again would only annoy."""
        return self.reauth_required and self._clock.monotonic() < self._left_alone_until

    def throttled(self, side: str) -> None:  # noqa: ARG002 - as above
        """Note that the vendor was asked too often."""
        self._metrics.throttled(self.side)

    def waited(self, side: str, seconds: float) -> None:  # noqa: ARG002 - as above
        """Note a wait for the rate budget."""
        self._metrics.waited(self.side, seconds)

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:  # noqa: ARG002 - as above
        """Note the end of a token refresh."""
        self._metrics.refreshed(self.side, result, expires_at)
        self._renews = True
        if result in {"ok", "denied"}:
            self._left_alone_until = 0.0
            self._set_reauth(required=result == "denied")

    def _set_reauth(self, *, required: bool) -> None:
        self.proven = self.proven or not required
        if required != self.reauth_required:
            self.reauth_required = required
            self._metrics.reauth(self.side, required, connection=self.name)
