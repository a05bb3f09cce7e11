"""The endpoints and the dashboard."""

from __future__ import annotations

import json
import re
import signal
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from daemon.core.outcomes import Reason
from daemon.observe.metrics import Metrics
from daemon.web.app import Check, build, document, worst
from daemon.web.page import ActivityView, ConnectionView, FlowView, HeldView, Overview, QuestionView, render
from daemon.web.serve import CannotListen, bind, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import Receive, Scope, Send

NOW = datetime(2026, 5, 12, 14, 3, 20, tzinfo=UTC)


@dataclass
class Source:
    """A health source that answers what the test says."""

    is_alive: bool = True
    checks: Sequence[Check] = ()
    view: Overview = field(default_factory=lambda: Overview(NOW, "all is well", "good"))

    def alive(self) -> bool:
        """As told."""
        return self.is_alive

    async def ready(self) -> Sequence[Check]:
        """As told."""
        return self.checks

    async def health(self) -> Sequence[Check]:
        """As told."""
        return self.checks

    async def overview(self) -> Overview:
        """As told."""
        return self.view


def client(source: Source | None = None) -> TestClient:
    """Return a client of the application."""
    return TestClient(build(source or Source(), Metrics()))


def test_livez_follows_the_loop_alone() -> None:
    """It stays 200 whatever a vendor does, and is 503 when the loop stands still."""
    failing = [Check("till", "reachable", "fail")]
    assert client(Source(checks=failing)).get("/livez").status_code == 200
    stuck = client(Source(is_alive=False)).get("/livez")
    assert (stuck.status_code, stuck.text) == (503, "stuck\n")


@pytest.mark.parametrize(("status", "code"), [("pass", 200), ("warn", 200), ("fail", 503)])
@pytest.mark.parametrize("path", ["/readyz", "/health"])
def test_only_a_failure_is_a_503(path: str, status: str, code: int) -> None:
    """A warning is still a success for a probe."""
    check = Check("till", "reachable", status)  # type: ignore[arg-type]  # the parameter is one of the three
    answer = client(Source(checks=[Check("state", "writable", "pass"), check])).get(path)
    assert answer.status_code == code
    assert answer.json()["status"] == status


def test_health_speaks_the_health_media_type() -> None:
    """Keys are component:measurement, values are lists, and what passes has no output."""
    checks = [
        Check("flow-sales", "lastSuccess", "pass", value="2026-05-12T14:01:50Z", output="not shown", component_type="system", time=NOW),
        Check("till", "responseTime", "warn", value=2.5, unit="s", output="slow"),
        Check("till", "responseTime", "pass", value=0.1, unit="s"),
    ]
    answer = client(Source(checks=checks)).get("/health")
    assert answer.headers["content-type"] == "application/health+json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {"status", "version", "releaseId", "serviceId", "checks"} <= body.keys()
    assert body["checks"] == {
        "flow-sales:lastSuccess": [
            {"componentType": "system", "status": "pass", "observedValue": "2026-05-12T14:01:50Z", "time": "2026-05-12T14:03:20+00:00"},
        ],
        "till:responseTime": [
            {"componentType": "component", "status": "warn", "observedValue": 2.5, "observedUnit": "s", "output": "slow"},
            {"componentType": "component", "status": "pass", "observedValue": 0.1, "observedUnit": "s"},
        ],
    }


def test_an_output_gives_no_secret_away() -> None:
    """Even when a vendor's text carries one."""
    text = json.dumps(document([Check("books", "token", "fail", output="refresh_token=abc123 of jan@example.org")]))
    assert "abc123" not in text
    assert "jan@" not in text


def test_worst_of_nothing_is_a_pass() -> None:
    """No finding is no problem."""
    assert worst([]) == "pass"
    assert worst([Check("a", "b", "warn"), Check("a", "b", "fail"), Check("a", "b", "pass")]) == "fail"


def test_metrics_are_served_in_prometheus_own_type() -> None:
    """What a scrape needs."""
    answer = client().get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "kassabrug_build_info{" in answer.text


def test_nothing_is_changed_by_these_addresses() -> None:
    """They only answer GET and HEAD."""
    for path in ("/livez", "/readyz", "/health", "/metrics", "/"):
        assert client().post(path).status_code == 405
        assert client().head(path).status_code == 200


EVIL = '<script>alert("x")</script>&'


def full_view() -> Overview:
    """An overview in which every text is hostile."""
    return Overview(
        NOW,
        EVIL,
        "warn",
        flows=[FlowView(EVIL, EVIL, EVIL, "bad", NOW, NOW - timedelta(minutes=5), NOW - timedelta(hours=2), {EVIL: 3})],
        connections=[ConnectionView(EVIL, EVIL, EVIL, "good", EVIL)],
        alerts=[EVIL],
        questions=[QuestionView(EVIL, EVIL, (EVIL,), 2)],
        held=[HeldView(EVIL, EVIL, EVIL, Reason.SUM_DIFFERS, EVIL, NOW - timedelta(days=3))],
        held_total=8,
        activity=[ActivityView(NOW, EVIL, EVIL, EVIL, EVIL, EVIL)],
    )


class Reader(HTMLParser):
    """Checks that the page is well-formed and collects what is on it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Every end belongs to the innermost start."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect."""
        self.text += data


def read(view: Overview) -> Reader:
    """Parse the page."""
    reader = Reader()
    reader.feed(render(view))
    reader.close()
    assert reader.open == []
    return reader


def test_everything_on_the_page_is_escaped() -> None:
    """A product called <script> is shown, not run: in all 22 places where a text from outside stands."""
    page = render(full_view())
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;&amp;") == 22
    assert EVIL in read(full_view()).text


def test_the_page_says_what_a_person_needs() -> None:
    """Reason with its meaning, how old things are, how much more there is and what to type."""
    text = read(full_view()).text
    for part in (
        "sum differs",
        "by more than the rounding cap",
        "3 d ago",
        "5 min ago",
        "2 h ago",
        "just now",
        "Held for a person (8)",
        "7 more",
    ):
        assert part in text
    assert "Nothing is held." in read(Overview(NOW, "fine", "good")).text


def test_the_page_needs_no_script_and_nothing_from_elsewhere() -> None:
    """It refreshes itself, fits a phone, and its policy forbids everything but its own style."""
    answer = client(Source(view=full_view())).get("/")
    tags = read(full_view()).tags
    assert ("meta", {"http-equiv": "refresh", "content": "10"}) in tags
    assert any(tag == "meta" and attributes.get("name") == "viewport" for tag, attributes in tags)
    assert {tag for tag, _ in tags}.isdisjoint({"script", "link", "img", "iframe"})
    assert not re.search(r"(src|href)=|url\(|@import|\sstyle=|\son\w+=", answer.text.replace("http-equiv", ""))
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


async def fetch(url: str, path: str) -> str:
    """One plain request, over a real socket."""
    host, port = url.removeprefix("http://").split(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        await stream.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        chunks = [chunk async for chunk in stream]
    return b"".join(chunks).decode()


async def test_it_is_served_inside_the_task_group_and_ends_with_it() -> None:
    """Signals stay as they were, and the port is free again afterwards."""
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    bound = bind("127.0.0.1", 0)
    port = bound.getsockname()[1]
    async with anyio.create_task_group() as group:
        url = await group.start(serve, build(Source(), Metrics()), bound)
        assert url == f"http://127.0.0.1:{port}"
        answer = await fetch(url, "/livez")
        assert answer.startswith("HTTP/1.1 200 OK\r\n")
        assert answer.endswith("\r\n\r\nok\n")
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
        group.cancel_scope.cancel()
    bind("127.0.0.1", port).close()


async def test_a_request_in_hand_is_answered_before_the_end() -> None:
    """A stop does not cut an answer off."""
    arrived = anyio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        arrived.set()
        await anyio.sleep(0.2)
        await PlainTextResponse("whole")(scope, receive, send)

    answers: list[str] = []

    async def ask(url: str) -> None:
        answers.append(await fetch(url, "/"))

    async with anyio.create_task_group() as clients, anyio.create_task_group() as group:
        url = await group.start(serve, slow, bind("127.0.0.1", 0))
        clients.start_soon(ask, url)
        await arrived.wait()
        group.cancel_scope.cancel()
    assert answers[0].endswith("whole")


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    """Before anything else is started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = rf"^daemon\.listen: cannot listen on 127\.0\.0\.1:{port} \(another program listens there\), expected a free address"
        with pytest.raises(CannotListen, match=line):
            bind("127.0.0.1", port)
    with pytest.raises(CannotListen, match="cannot assign requested address"):
        bind("192.0.2.1", 0)
