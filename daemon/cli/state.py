"""``status``, ``why`` and ``resend``: what is, why it is, and doing it again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from daemon.cli import show
from daemon.cli.session import configure, looking
from daemon.core.flow_registry import NAMES
from daemon.core.ids import EVERYBODY, LinkId, PairId, pair_of
from daemon.core.message import decode, message
from daemon.core.outcomes import OPEN_STATES, Reason
from daemon.engine.clock import SystemClock
from daemon.settings import state_directory
from daemon.state.owner import read_owner
from daemon.state.sqlite import open_store
from daemon.text import Speaker
from daemon.waiting import HELD, RECEIPTS, TROUBLE_FACT, WAITS_LONG, amount_of, waiting

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from daemon.core.message import Message
    from daemon.settings import Settings
    from daemon.state.port import Activity, Count, Work
    from daemon.state.store import SqliteStore


#: a daemon that has not written its heartbeat for this long is not there any more
_SILENT = timedelta(seconds=30)


def pairs(settings: Settings) -> list[PairId]:
    """Return the names of every pair of books and till."""
    return [pair_of(LinkId(name), till) for name, link in settings.links.items() for till in link.tills]


async def status(args: argparse.Namespace) -> int:
    """Say what is settled, what waits, and whether the daemon runs."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    owner = read_owner(args.state_dir or state_directory(settings))
    if owner is not None and SystemClock().now() - owner.heartbeat_at > _SILENT:
        owner = None  # killed before it could say good-bye
    async with looking(settings, args.state_dir) as store:
        found = await _status(settings, store)
    found["running"] = None if owner is None else {"pid": owner.pid, "host": owner.host, "since": owner.started_at.isoformat()}
    if owner is None:
        found["connections"] = []  # nobody asks them, so nobody knows
    if args.json:
        show.json_line(found)
    else:
        _print_status(found, Speaker(settings.daemon.language))
    return 1 if found["held"] or found["questions"] or found["connections"] or found["waiting"]["long"] else 0


async def _status(settings: Settings, store: SqliteStore) -> dict[str, Any]:
    counts = await store.counts()
    flows = []
    for pair in pairs(settings):
        for flow in NAMES:
            sums = await store.sums(pair, flow)
            position = await store.position(pair, flow)
            own = {count.state.value: count.records for count in counts if (count.pair, count.flow) == (pair, flow)}
            newest = None if position.moment is None else position.moment.isoformat()
            flows.append({"link": pair, "flow": flow, "open": own, "settled": int(sums["records"]), "newest": newest, **_sums(sums)})
    held = [work for pair in pairs(settings) for flow in NAMES for work in await _held(store, pair, flow)]
    questions = await store.questions()
    say = Speaker(settings.daemon.language)
    return {
        "connections": await _troubles(settings, store),
        "waiting": await _waiting(settings, store, counts),
        "flows": flows,
        "held": [_record(work, say) for work in held],
        "questions": [{"key": q.key, "link": q.pair, "text": say(q.text), "waiting": q.waiting} for q in questions],
        "alerts": [say(row.summary) for row in await store.alerts() if row.resolved_at is None],
    }


async def _troubles(settings: Settings, store: SqliteStore) -> list[dict[str, str]]:
    """What the daemon has written down about connections that do not answer."""
    say = Speaker(settings.daemon.language)
    facts = {name: await store.fact(EVERYBODY, f"{TROUBLE_FACT}{name}") for name in settings.connections}
    parts = {name: fact.partition(" ") for name, fact in facts.items() if fact}
    return [{"name": name, "since": since, "trouble": say(decode(trouble))} for name, (since, _, trouble) in parts.items()]


async def _waiting(settings: Settings, store: SqliteStore, counts: Sequence[Count]) -> dict[str, Any]:
    """The receipts on their way: how many, what they come to (if this user may know), and since when the oldest waits."""
    found = waiting(counts, RECEIPTS)
    works = [work for pair in pairs(settings) for work in await store.open_work(pair, RECEIPTS) if work.state not in HELD]
    amount = amount_of(works)
    return {
        "receipts": found.records,
        "amount": None if amount is None else f"{amount:.2f}",
        "since": None if found.since is None else found.since.isoformat(),
        "long": found.seconds(SystemClock().now()) >= WAITS_LONG,
    }


def _sums(sums: Any) -> dict[str, str]:
    return {"till": sums["till"], "books": sums["books"]}


async def _held(store: SqliteStore, pair: PairId, flow: str) -> list[Work]:
    return [work for work in await store.open_work(pair, flow) if work.state in {"held", "dead"}]


def _print_status(found: dict[str, Any], say: Speaker) -> None:
    running = found["running"]
    here = message("status.running", pid=running["pid"], host=running["host"]) if running else message("status.not_running")
    show.OUT.print(say(here), markup=False)
    for one in found["connections"]:
        show.OUT.print(say(message("status.trouble", name=one["name"], trouble=one["trouble"], since=one["since"])), markup=False)
    if found["waiting"]["receipts"]:
        show.OUT.print(say(_waits(found["waiting"])), markup=False)
    rows = [
        (f["link"], f["flow"], f["settled"], ", ".join(f"{n} {state}" for state, n in f["open"].items()) or "-", f["newest"] or "-")
        for f in found["flows"]
    ]
    show.table(say(message("page.flows")), say(message("status.flow_heads")).split("|"), rows)
    if found["held"]:
        held = [(w["link"], w["flow"], w["label"], w["reason"], w["detail"]) for w in found["held"]]
        show.table(say(message("status.held")), say(message("status.held_heads")).split("|"), held)
    for one in found["questions"]:
        show.OUT.print(say(message("status.question", key=one["key"], text=one["text"], waiting=one["waiting"])), markup=False)
    for alert in found["alerts"]:
        show.OUT.print(say(message("status.alert", alert=alert)), markup=False)


def _waits(waiting: dict[str, Any]) -> Message:
    amount = message("status.amount", amount=waiting["amount"]) if waiting["amount"] else ""
    return message("status.wait", records=waiting["receipts"], amount=amount, since=waiting["since"])


def _record(work: Work, say: Speaker) -> dict[str, Any]:
    return {
        "link": work.pair,
        "flow": work.flow,
        "record": work.record,
        "label": work.label,
        "state": work.state,
        "outcome": work.outcome,
        "reason": work.reason,
        "explanation": say.word("reason", work.reason),
        "detail": say(work.detail),
        "attempt": work.attempt,
        "not_before": None if work.not_before is None else work.not_before.isoformat(),
        "moment": work.moment.isoformat(),
        "updated_at": work.updated_at.isoformat(),
    }


def _line(activity: Activity, say: Speaker) -> dict[str, Any]:
    names = ("flow", "event", "outcome", "reason", "remote_id")
    return {"at": activity.at.isoformat(), **{name: getattr(activity, name) for name in names}, "detail": say(activity.detail)}


async def why(args: argparse.Namespace) -> int:
    """Tell the whole story of a record: its receipt number, SKU or id."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    say = Speaker(settings.daemon.language)
    async with looking(settings, args.state_dir) as store:
        works = await store.find_work(args.record)
        history = await store.activity(label=args.record)
        intents = [intent for work in works for intent in await store.intents(work.pair, record=work.record)]
    if not works and not history:
        show.ERR.print(say(message("cli.never_seen", record=args.record)), markup=False)
        return 1
    story = {
        "record": args.record,
        "works": [_record(work, say) for work in works],
        "writes": [
            {
                "operation": i.operation,
                "state": i.state,
                "reference": i.reference,
                "remote_id": i.remote_id,
                "sent_at": i.sent_at.isoformat(),
            }
            for i in intents
        ],
        "history": [_line(activity, say) for activity in reversed(history)],
    }
    if args.json:
        show.json_line(story)
    else:
        _print_story(story)
    return 1 if any(work.state in OPEN_STATES for work in works) else 0


def _print_story(story: dict[str, Any]) -> None:
    for work in story["works"]:
        outcome = f", {work['outcome']}" if work["outcome"] else ""
        show.OUT.print(f"{work['link']} {work['flow']} {work['label']}: {work['state']}{outcome}", markup=False)
        if work["reason"] != Reason.NONE:
            show.OUT.print(f"    {work['reason']}: {work['explanation']}", markup=False)
        if work["detail"]:
            show.OUT.print(f"    {work['detail']}", markup=False)
    for write in story["writes"]:
        show.OUT.print(
            f"    {write['sent_at']} {write['operation']} {write['reference']}: {write['state']} {write['remote_id']}", markup=False
        )
    for line in story["history"]:
        words = " ".join(str(line[name]) for name in ("flow", "event", "outcome", "reason", "detail") if line[name])
        show.OUT.print(f"    {line['at']} {words}", markup=False)


async def resend(args: argparse.Namespace) -> int:
    """Queue held, dead or settled records again; a document that exists is found, never made twice."""
    settings, _ = configure(args.config, quiet=True, secrets=False)
    store = await open_store(args.state_dir or state_directory(settings), clock=SystemClock())
    try:
        missing = [record for record in args.records if not await _resend_one(store, pairs(settings), record)]
    finally:
        await store.close()
    queued = len(args.records) - len(missing)
    if args.json:
        show.json_line({"queued": queued, "missing": missing})
        return 1 if missing else 0
    for record in missing:
        show.ERR.print(f"{record}: nothing to send again; expected a receipt number, a SKU or an id of the source", markup=False)
    show.OUT.print(f"{queued} record(s) queued again.")
    return 1 if missing else 0


async def _resend_one(store: SqliteStore, names: Sequence[PairId], record: str) -> int:
    return sum([await store.resend(name, record) for name in names])
