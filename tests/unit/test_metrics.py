"""What Prometheus is told."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.registry import CONNECTORS
from daemon.core.ids import PairId
from daemon.core.outcomes import OPEN_STATES, Outcome, Reason, State
from daemon.observe.metrics import SKIP_REASONS, Metrics
from daemon.state.port import Count

NOON = datetime(2026, 5, 12, 12, tzinfo=UTC)


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return every sample under (name, label values in the order of the label names)."""
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        for sample in family.samples:
            found[(sample.name, *(value for _, value in sorted(sample.labels.items()) if value))] = sample.value
    return found


def test_counters_exist_before_their_first_event() -> None:
    """Else the first failure would be no increase, and no alert."""
    found = values(Metrics(sides=CONNECTORS, renewing=["eaccounting"]))
    for flow in ("products", "stock", "sales"):
        for outcome in Outcome:
            assert found["kassabrug_records_total", flow, outcome.value] == 0
        for result in ("success", "partial", "failure", "aborted"):
            assert found["kassabrug_flow_runs_total", flow, result] == 0
        for reason in SKIP_REASONS:
            assert found["kassabrug_records_skipped_total", flow, reason.value] == 0
        for state in OPEN_STATES:  # stock is compared whole, and has nothing in the queue
            assert found.get(("kassabrug_queue_records", flow, state.value)) == (None if flow == "stock" else 0)
    for side in ("eaccounting", "salespos"):
        assert found["kassabrug_http_requests_total", "none", "POST", side] == 0
        assert found.get(("kassabrug_oauth_refresh_total", "denied", side)) == (0 if side == "eaccounting" else None)
        assert found["kassabrug_oauth_reauth_required", side] == 0
    assert found["kassabrug_log_messages_total", "error"] == 0
    assert found[("kassabrug_state_restored",)] == 0


def test_names_follow_the_conventions() -> None:
    """One prefix, base units, no _created series, and few enough lines to be scraped in a few milliseconds."""
    metrics = Metrics(sides=CONNECTORS)
    text = metrics.render().decode()
    names = set(re.findall(r"(?m)^# TYPE (\S+)", text))
    assert all(name.startswith(("kassabrug_", "process_")) for name in names)
    assert "_created" not in text
    assert not [name for name in names if re.search(r"(milliseconds|minutes|_ms)(_total)?$", name)]
    assert len(text.splitlines()) < 500


def test_the_process_itself_is_measured() -> None:
    """The restart-loop rule lives on process_start_time_seconds."""
    assert values(Metrics())[("process_start_time_seconds",)] > 0


def test_a_run_moves_the_moments_of_its_own_link_only() -> None:
    """One link that stands still is not hidden by another that goes on."""
    metrics = Metrics()
    for link in ("a", "b"):
        metrics.flow_configured("sales", True, 5, NOON, link=link)
    metrics.run_started("sales", NOON, link="a")
    metrics.run_finished("sales", "success", NOON, 0.4, link="a")
    found = values(metrics)
    assert found["kassabrug_flow_last_success_timestamp_seconds", "sales", "a"] == NOON.timestamp()
    assert found["kassabrug_flow_last_success_timestamp_seconds", "sales", "b"] == 0
    assert found["kassabrug_flow_interval_seconds", "sales", "b"] == 5
    assert found["kassabrug_flow_runs_total", "sales", "success"] == 1
    assert found[("kassabrug_flow_run_duration_seconds_count",)] == 1


@pytest.mark.parametrize(("result", "succeeded"), [("success", True), ("partial", True), ("failure", False), ("aborted", False)])
def test_a_run_that_failed_is_completed_but_no_success(result: str, succeeded: bool) -> None:
    """Freshness is measured by what went well."""
    metrics = Metrics()
    metrics.flow_configured("sales", True, 5, NOON)
    metrics.run_finished("sales", result, NOON, 1)
    found = values(metrics)
    assert found["kassabrug_flow_last_completion_timestamp_seconds", "sales"] == NOON.timestamp()
    assert found["kassabrug_flow_last_success_timestamp_seconds", "sales"] == (NOON.timestamp() if succeeded else 0)


def test_outcomes_are_counted_and_skips_by_reason() -> None:
    """A record that is left alone says why, in the closed list of words."""
    metrics = Metrics()
    metrics.outcome("sales", Outcome.CREATED, count=3)
    metrics.outcome("sales", Outcome.SKIPPED, Reason.STOCK_CORRECTION)
    metrics.outcome("sales", Outcome.HELD, Reason.SUM_DIFFERS)
    found = values(metrics)
    assert found["kassabrug_records_total", "sales", "created"] == 3
    assert found["kassabrug_records_skipped_total", "sales", "stock_correction"] == 1
    assert ("kassabrug_records_skipped_total", "sales", "sum_differs") not in found
    assert found["kassabrug_records_total", "sales", "held"] == 1


def test_the_queue_is_replaced_and_added_up_over_the_links() -> None:
    """What is no longer there falls back to 0, and the oldest of all links counts."""
    metrics = Metrics()
    later = NOON.replace(hour=13)
    metrics.queue(
        [
            Count(PairId("a"), "sales", State.HELD, 2, later),
            Count(PairId("b"), "sales", State.HELD, 1, NOON),
            Count(PairId("a"), "sales", State.DEAD, 1, None),
        ]
    )
    found = values(metrics)
    assert found["kassabrug_queue_records", "sales", "held"] == 3
    assert found["kassabrug_queue_oldest_timestamp_seconds", "sales", "held"] == NOON.timestamp()
    assert found["kassabrug_queue_records", "sales", "dead"] == 1
    metrics.queue([])
    found = values(metrics)
    assert found["kassabrug_queue_records", "sales", "held"] == 0
    assert found["kassabrug_queue_oldest_timestamp_seconds", "sales", "held"] == 0


def test_a_flow_that_only_the_store_remembers_is_counted_too() -> None:
    """Work of a flow that was removed from the configuration does not vanish from sight."""
    metrics = Metrics(flows=("sales",))
    metrics.queue([Count(PairId("a"), "orders", State.HELD, 4, NOON)])
    assert values(metrics)["kassabrug_queue_records", "orders", "held"] == 4
    metrics.queue([])
    assert values(metrics)["kassabrug_queue_records", "orders", "held"] == 0


def test_exchanges_are_counted_by_class_of_status() -> None:
    """No answer is a class of its own."""
    metrics = Metrics()
    metrics.exchange("salespos", "GET", 200, 0.1)
    metrics.exchange("salespos", "GET", 503, 0.1)
    metrics.exchange("salespos", "GET", None, 30)
    metrics.throttled("salespos")
    metrics.waited("salespos", 1.5)
    metrics.waited("salespos", 0.5)
    found = values(metrics)
    assert [found["kassabrug_http_requests_total", code, "GET", "salespos"] for code in ("2xx", "5xx", "none")] == [1, 1, 1]
    assert found["kassabrug_http_ratelimited_total", "salespos"] == 1
    assert found["kassabrug_http_ratelimit_wait_seconds_total", "salespos"] == 2
    assert found["kassabrug_http_request_duration_seconds_count", "salespos"] == 3


def test_tokens_and_the_circuit_are_shown() -> None:
    """When it expires, whether a person must sign in, and whether the vendor is asked at all."""
    metrics = Metrics()
    metrics.refreshed("eaccounting", "ok", NOON)
    metrics.refreshed("eaccounting", "denied", None)
    metrics.reauth("eaccounting", True)
    metrics.circuit("eaccounting", 2, connection="books")
    metrics.circuit("eaccounting", 0, connection="others")
    found = values(metrics)
    assert found["kassabrug_oauth_token_expiry_timestamp_seconds", "eaccounting"] == NOON.timestamp()
    assert found["kassabrug_oauth_refresh_total", "denied", "eaccounting"] == 1
    assert found["kassabrug_oauth_reauth_required", "eaccounting"] == 1
    assert found["kassabrug_circuit_state", "eaccounting"] == 2


def test_how_long_the_oldest_waits_is_told_of_each_link() -> None:
    """0 while nothing waits; another link's hides nothing; and since when the process looks is there from the first moment."""
    metrics = Metrics()
    for link in ("a", "b"):
        metrics.flow_configured("sales", True, 5, NOON, link=link)
    metrics.waiting_since("sales", NOON, link="a")
    metrics.stock_drift(4, link="a")
    found = values(metrics)
    assert found["kassabrug_flow_waiting_since_timestamp_seconds", "sales", "a"] == NOON.timestamp()
    assert found["kassabrug_flow_waiting_since_timestamp_seconds", "sales", "b"] == 0
    assert found["kassabrug_flow_watched_since_timestamp_seconds", "sales", "b"] == NOON.timestamp()
    assert found["kassabrug_stock_drift_items", "a"] == 4
    metrics.waiting_since("sales", None, link="a")
    assert values(metrics)["kassabrug_flow_waiting_since_timestamp_seconds", "sales", "a"] == 0


def test_a_configuration_that_cannot_be_used_keeps_the_moment_of_the_last_good_one() -> None:
    """So that it shows since when the file is broken."""
    metrics = Metrics()
    metrics.config_loaded(True, NOON)
    metrics.config_loaded(False, NOON.replace(hour=13))
    found = values(metrics)
    assert found[("kassabrug_config_last_reload_successful",)] == 0
    assert found[("kassabrug_config_last_reload_success_timestamp_seconds",)] == NOON.timestamp()


def test_the_guards_and_the_store_are_counted() -> None:
    """Proof that they work."""
    metrics = Metrics()
    metrics.retried("sales")
    metrics.duplicate_prevented("sales")
    metrics.brake("products", True, link="a")
    metrics.state_size(4096)
    metrics.state_restored(True)
    metrics.stock_drift(4, link="a")
    metrics.newest_at_source("sales", NOON, link="a")
    metrics.settled("sales", NOON, link="a")
    metrics.logged("error")
    metrics.logged("unheard-of")
    found = values(metrics)
    assert found["kassabrug_retries_total", "sales"] == 1
    assert found["kassabrug_duplicates_prevented_total", "sales"] == 1
    assert found["kassabrug_massbrake_tripped", "products", "a"] == 1
    assert found[("kassabrug_state_db_size_bytes",)] == 4096
    assert found[("kassabrug_state_restored",)] == 1
    assert found["kassabrug_stock_drift_items", "a"] == 4
    assert found["kassabrug_flow_source_newest_timestamp_seconds", "sales", "a"] == NOON.timestamp()
    assert found["kassabrug_flow_settled_timestamp_seconds", "sales", "a"] == NOON.timestamp()
    assert found["kassabrug_log_messages_total", "error"] == 1
    assert found["kassabrug_log_messages_total", "info"] == 1
