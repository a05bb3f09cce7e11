"""What Prometheus is told.

Every label set is closed (flows, sides, states, reasons: no receipt, SKU or e-mail address ever), and counted from 0, so that the
first event is already an increase.  Moments are exported as timestamps, never as "seconds since".  ``link`` is a label of the gauges
that are compared with the clock or with zero, for there one link would otherwise hide another; counters add up over the links.
Histograms carry no flow, because a scrape costs time by the line.
"""

from __future__ import annotations

import platform
from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from connectors.port import HttpObserver
from daemon import __version__
from daemon.core.flow_registry import NAMES, QUEUED
from daemon.core.outcomes import OPEN_STATES, Outcome, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from daemon.state.port import Count

RUN_RESULTS = ("success", "partial", "failure", "aborted")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
CODES = ("2xx", "3xx", "4xx", "5xx", "none")
REFRESH_RESULTS = ("ok", "denied", "error")
LEVELS = ("debug", "info", "warning", "error", "critical")
SKIP_REASONS = (
    *(Reason.EXISTS, Reason.STOCK_CORRECTION, Reason.ZERO_TOTAL, Reason.FILTERED, Reason.NOT_COMPLETED, Reason.BEFORE_START),
    *(Reason.NOT_TRACKED, Reason.NO_QUANTITY, Reason.NOT_AT_TARGET),
)
_RUN_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_HTTP_BUCKETS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics(HttpObserver):
    """All metrics of one process, on a registry of their own.

    ``sides`` are the kinds of vendors that count from 0, ``renewing`` those of them whose sign-in is renewed.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(
        self,
        *,
        flows: Iterable[str] = NAMES,
        sides: Iterable[str] = (),
        renewing: Iterable[str] = (),
        registry: CollectorRegistry | None = None,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the package types all but this; spares a second line a counter
        self._registry = registry or CollectorRegistry()
        self._flows = tuple(flows)
        self._sides = tuple(sides)
        self._renewing = tuple(renewing)
        self._queued_flows = {flow for flow in self._flows if flow in QUEUED}
        self._signed_out: defaultdict[str, set[str]] = defaultdict(set)
        self._circuits: defaultdict[str, dict[str, int]] = defaultdict(dict)
        ProcessCollector(registry=self._registry)
        self._build_process()
        self._build_flows()
        self._build_http()
        self._start_from_zero()

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"kassabrug_{name}", text, labels, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"kassabrug_{name}", text, labels, registry=self._registry)

    def _build_process(self) -> None:
        build = self._gauge("build_info", "Version of the program and of Python; always 1", "version", "python")
        build.labels(__version__, platform.python_version()).set(1)
        self._config_ok = self._gauge("config_last_reload_successful", "Whether the configuration could be used when it was last read")
        self._config_at = self._gauge("config_last_reload_success_timestamp_seconds", "When the configuration was last read and usable")
        self._state_size = self._gauge("state_db_size_bytes", "Size of the store on disk")
        self._restored = self._gauge(
            "state_restored", "Whether an older state was put back and not all that came after it is looked up yet"
        )
        self._backed_up = self._gauge("backup_last_success_timestamp_seconds", "When the state was last copied by backup; 0 for never")
        self._deliveries = self._counter("alert_deliveries", "Alerts handed to a channel", "channel", "result")
        self._logged = self._counter("log_messages", "Lines logged", "level")

    def _build_flows(self) -> None:
        self._enabled = self._gauge("flow_enabled", "Whether the flow is switched on", "link", "flow")
        self._interval = self._gauge("flow_interval_seconds", "How often the flow looks for changes", "link", "flow")
        self._started = self._gauge("flow_last_start_timestamp_seconds", "When a run last began", "link", "flow")
        self._succeeded = self._gauge("flow_last_success_timestamp_seconds", "When a run last ended well", "link", "flow")
        self._completed = self._gauge("flow_last_completion_timestamp_seconds", "When a run last ended", "link", "flow")
        self._watched = self._gauge("flow_watched_since_timestamp_seconds", "Since when this process runs the flow", "link", "flow")
        self._waiting = self._gauge(
            "flow_waiting_since_timestamp_seconds",
            "Since when the oldest record waits, if not for a person; 0: none",
            "link",
            "flow",
        )
        self._newest = self._gauge("flow_source_newest_timestamp_seconds", "Moment of the newest record at the source", "link", "flow")
        self._settled = self._gauge("flow_settled_timestamp_seconds", "Moment of the newest record that is settled", "link", "flow")
        self._brake = self._gauge("massbrake_tripped", "Whether the mass-change brake holds the flow", "link", "flow")
        self._drift = self._gauge("stock_drift_items", "Products whose stock differed at the last full comparison", "link")
        self._runs = self._counter("flow_runs", "Runs that ended", "flow", "result")
        self._duration = Histogram(
            "kassabrug_flow_run_duration_seconds", "Length of the runs of all flows", buckets=_RUN_BUCKETS, registry=self._registry
        )
        self._records = self._counter("records", "Records by what became of them", "flow", "outcome")
        self._skipped = self._counter("records_skipped", "Records left alone, by reason", "flow", "reason")
        self._queue = self._gauge("queue_records", "Records that are not settled", "flow", "state")
        self._oldest = self._gauge("queue_oldest_timestamp_seconds", "Since when the oldest of them waits; 0 for none", "flow", "state")
        self._retries = self._counter("retries", "Records that were tried again", "flow")
        self._duplicates = self._counter("duplicates_prevented", "Writes that a look-up showed to have happened already", "flow")

    def _build_http(self) -> None:
        self._requests = self._counter("http_requests", "Requests to a vendor; code none: no answer", "side", "method", "code")
        self._latency = Histogram(
            "kassabrug_http_request_duration_seconds", "Time to the answer", ("side",), buckets=_HTTP_BUCKETS, registry=self._registry
        )
        self._waited = self._counter("http_ratelimit_wait_seconds", "Time spent waiting for the rate budget", "side")
        self._throttled = self._counter("http_ratelimited", "Answers that said: too many requests", "side")
        self._refreshes = self._counter("oauth_refresh", "Token refreshes", "side", "result")
        self._expiry = self._gauge("oauth_token_expiry_timestamp_seconds", "When the access token expires", "side")
        self._reauth = self._gauge("oauth_reauth_required", "Whether a person must sign in again", "side")
        self._circuit = self._gauge("circuit_state", "0 the vendor answers, 1 something failed, 2 down: one probe at a time", "side")

    def _start_from_zero(self) -> None:
        for flow in self._flows:
            for result in RUN_RESULTS:
                self._runs.labels(flow, result)
            for outcome in Outcome:
                self._records.labels(flow, outcome.value)
            for reason in SKIP_REASONS:
                self._skipped.labels(flow, reason.value)
        for flow in self._queued_flows:
            for counter in (self._retries, self._duplicates):
                counter.labels(flow)
        for level in LEVELS:
            self._logged.labels(level)
        self.queue(())
        self._start_sides()

    def _start_sides(self) -> None:
        for side in self._sides:
            for code in CODES:
                for method in METHODS:
                    self._requests.labels(side, method, code)
            for metric in (self._waited, self._throttled, self._reauth, self._circuit, self._latency):
                metric.labels(side)
        for side in self._renewing:
            for result in REFRESH_RESULTS:
                self._refreshes.labels(side, result)

    # -- the process ----------------------------------------------------------------------------------------------------------
    def config_loaded(self, ok: bool, at: datetime) -> None:
        """The configuration was read, and could be used or not."""
        self._config_ok.set(ok)
        if ok:
            self._config_at.set(at.timestamp())

    def state_size(self, size: int) -> None:
        """The store takes ``size`` bytes on disk."""
        self._state_size.set(size)

    def state_restored(self, restored: bool) -> None:
        """An older state was put back, and not all that was done after it is known yet."""
        self._restored.set(restored)

    def backed_up(self, at: datetime) -> None:
        """The last backup was made."""
        self._backed_up.set(at.timestamp())

    def alert_delivery(self, channel: str, result: str) -> None:
        """An alert was handed to ``channel`` with ``result`` ``ok`` or ``error``."""
        self._deliveries.labels(channel, result).inc()

    def alert_channel(self, channel: str) -> None:
        """A channel is configured: its deliveries count from 0."""
        for result in ("ok", "error"):
            self._deliveries.labels(channel, result)

    def logged(self, level: str) -> None:
        """A line was logged."""
        self._logged.labels(level if level in LEVELS else "info").inc()

    # -- flows ----------------------------------------------------------------------------------------------------------------
    def flow_configured(self, flow: str, enabled: bool, interval: float, at: datetime, *, link: str = "") -> None:
        """A flow exists since ``at``; its moments count as "never" (0) until it has run."""
        self._enabled.labels(link, flow).set(enabled)
        self._interval.labels(link, flow).set(interval)
        self._watched.labels(link, flow).set(at.timestamp())
        for gauge in (self._started, self._succeeded, self._completed, self._brake, self._waiting):
            gauge.labels(link, flow)

    def run_started(self, flow: str, at: datetime, *, link: str = "") -> None:
        """A run began."""
        self._started.labels(link, flow).set(at.timestamp())

    def run_finished(self, flow: str, result: str, at: datetime, seconds: float, *, link: str = "") -> None:
        """A run ended with one of :data:`RUN_RESULTS`; ``partial`` (some records failed, the run did not) is a success too."""
        self._runs.labels(flow, result).inc()
        self._duration.observe(seconds)
        self._completed.labels(link, flow).set(at.timestamp())
        if result in {"success", "partial"}:
            self._succeeded.labels(link, flow).set(at.timestamp())

    def outcome(self, flow: str, outcome: Outcome, reason: Reason = Reason.NONE, count: int = 1) -> None:
        """``count`` records were settled or held."""
        self._records.labels(flow, outcome.value).inc(count)
        if outcome is Outcome.SKIPPED:
            self._skipped.labels(flow, reason.value or "none").inc(count)

    def newest_at_source(self, flow: str, at: datetime, *, link: str = "") -> None:
        """The newest record of the source is from ``at``."""
        self._newest.labels(link, flow).set(at.timestamp())

    def settled(self, flow: str, at: datetime, *, link: str = "") -> None:
        """The newest settled record is from ``at``; with nothing open, that is the newest of the source."""
        self._settled.labels(link, flow).set(at.timestamp())

    def waiting_since(self, flow: str, since: datetime | None, *, link: str = "") -> None:
        """The oldest record that is not settled, and that waits for no person, has waited since then."""
        self._waiting.labels(link, flow).set(0 if since is None else since.timestamp())

    def queue(self, counts: Sequence[Count]) -> None:
        """Replace what is known about the records that are not settled; a state without a count holds none."""
        self._queued_flows.update(count.flow for count in counts)  # a flow that has left the configuration may still have work
        records = {(flow, state): 0 for flow in self._queued_flows for state in OPEN_STATES}
        oldest = dict.fromkeys(records, 0.0)
        for count in counts:
            place = (count.flow, count.state)
            records[place] += count.records
            if count.oldest is not None:
                moment = count.oldest.timestamp()
                oldest[place] = min(oldest[place] or moment, moment)
        for (flow, state), number in records.items():
            self._queue.labels(flow, state.value).set(number)
            self._oldest.labels(flow, state.value).set(oldest[flow, state])

    def retried(self, flow: str) -> None:
        """A record is tried again."""
        self._retries.labels(flow).inc()

    def duplicate_prevented(self, flow: str) -> None:
        """A look-up found what would otherwise have been written twice."""
        self._duplicates.labels(flow).inc()

    def brake(self, flow: str, tripped: bool, *, link: str = "") -> None:
        """The mass-change brake holds the flow, or lets it go."""
        self._brake.labels(link, flow).set(tripped)

    def stock_drift(self, items: int, *, link: str = "") -> None:
        """So many products had another stock in the till than in the books."""
        self._drift.labels(link).set(items)

    # -- the vendors ----------------------------------------------------------------------------------------------------------
    def exchange(self, side: str, method: str, status: int | None, seconds: float) -> None:
        """One request was answered with ``status``, or with nothing (``None``)."""
        code = f"{status // 100}xx" if status is not None else "none"
        self._requests.labels(side, method, code).inc()
        self._latency.labels(side).observe(seconds)

    def throttled(self, side: str) -> None:
        """The vendor answered that we ask too often."""
        self._throttled.labels(side).inc()

    def waited(self, side: str, seconds: float) -> None:
        """A request waited this long for the rate budget."""
        self._waited.labels(side).inc(seconds)

    def refreshed(self, side: str, result: str, expires_at: datetime | None) -> None:
        """A token refresh ended with ``result``: ``ok``, ``denied`` or ``error``."""
        self._refreshes.labels(side, result).inc()
        if expires_at is not None:
            self._expiry.labels(side).set(expires_at.timestamp())

    def reauth(self, side: str, required: bool, *, connection: str = "") -> None:
        """A person must sign in again to a connection, or has; 1 as long as any connection of this side waits for it."""
        waiting = self._signed_out[side]
        (waiting.add if required else waiting.discard)(connection)
        self._reauth.labels(side).set(bool(waiting))

    def circuit(self, side: str, state: int, *, connection: str = "") -> None:
        """0: the vendor answers, 1: something failed, 2: it is down, asked by one probe at a time; the worst of a side's connections."""
        self._circuits[side][connection] = state
        self._circuit.labels(side).set(max(self._circuits[side].values()))

    # -- output ---------------------------------------------------------------------------------------------------------------
    def render(self) -> bytes:
        """Return everything in Prometheus' text format (:attr:`content_type`)."""
        return generate_latest(self._registry)
