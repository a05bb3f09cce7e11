# ruff: noqa: T201 - a command prints what it finds
"""People act on both sides, at any moment, while vendors are away and processes die: the books end as the till is.

Rules are what a cashier, a shopkeeper, a bookkeeper, an administrator and a vendor's operations people do, before a run or in the middle
of one.  At rest every receipt stands in the books as it does in the till, or it is held with a reason, its amount and a way out; then the
ways out are taken, and nothing is held any more.  The judge reads the two vendors' own records (:mod:`tests.fault.people_judge`).

``python -m tests.fault.people --examples 2000 --steps 40`` runs more of it than the tests do; ``--variant NAME`` runs a bridge that is
wrong on purpose, and counts the machines that find it out.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import traceback
from collections import Counter
from contextlib import AsyncExitStack, ExitStack, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from connectors.sandbox.eaccounting.errors import Refusal
from daemon.core.ids import PairId
from daemon.core.outcomes import Reason, State
from daemon.flows.sales import SWEEP_EVERY
from daemon.flows.serialization import load_sale
from tests.fault import people_bad
from tests.fault.bridge import scratch, template, virtual_loop
from tests.fault.people_acts import FAMILIES, People, Vain, choose
from tests.fault.people_judge import disagreements, doubled, never_rung_up
from tests.fault.people_shop import KNOWN_METHODS, PREFIXES, RESTART, Premises
from tests.fault.points import IN_FLIGHT, Crash, Mode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence

    from daemon.flow_run import FlowRunner
    from daemon.state.port import Question, Work
    from tests.fault.people_shop import Daemon

T = TypeVar("T")

#: figures of all machines of this process
FIGURES: Counter[str] = Counter()
#: which acts were done, and which were tried in vain
ACTS: Counter[str] = Counter()
VAIN: Counter[str] = Counter()
#: an outage never makes these: nothing needs a person because a vendor was away
_OF_AN_OUTAGE = frozenset({Reason.ATTEMPTS_EXHAUSTED, Reason.TRANSIENT, Reason.UNREACHABLE, Reason.THROTTLED, Reason.INTERNAL})
#: so often people take the ways out, one after the other, before it counts as none
_ROUNDS = 6
#: what waits for longer than this is not waited for (seconds)
_PATIENCE = 1800.0

#: where what machines find is kept instead of ending the search: what it was, and what had happened
FOUND: list[tuple[str, list[str]]] = []
#: what waits for a locked period looks again within this time (seconds)
_LOCKED = 3700.0

picks = st.integers(0, 999)
modes = st.sampled_from([Mode.BEFORE, Mode.AFTER, Mode.LOST, Mode.NOTHING, Mode.UNREACHABLE, Mode.IN_FLIGHT, Mode.SLOW])
faults = st.lists(st.tuples(st.integers(0, 40), modes), max_size=3)
#: what somebody does before which point of a run
meanwhile = st.lists(st.tuples(st.integers(0, 25), st.sampled_from([one for one in FAMILIES if one != "operations"]), picks), max_size=2)
thens = st.sampled_from(["sweep", "run", ""])


def _there(rule_name: str) -> Callable[[Shop], bool]:
    return lambda shop: not shop.rules_of_it or rule_name in shop.rules_of_it


class Shop(RuleBasedStateMachine):
    """A shop, the daemon, and everybody who does something to them.

    ``goes_on`` is a machine that keeps what it finds and lets the others go on: for counting.
    """

    goes_on = False
    #: what is done of each kind; everything where nothing is said
    only: Mapping[str, tuple[str, ...]] = {}
    #: the rules that there are; all where none is named
    rules_of_it: Collection[str] = ()
    #: how many tills there may be
    tills: Sequence[int] = (1, 1, 1, 2)
    #: whether one find is enough, and the machines after it do nothing
    one_is_enough = False

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.broken = self.one_is_enough and bool(FOUND)
        self.daemon: Daemon | None = None
        self.off = False
        self._process = AsyncExitStack()
        self._late: set[asyncio.Task[None]] = set()
        with ExitStack() as undo:  # a machine that cannot be made is not torn down, and leaves nothing behind
            self.root = undo.enter_context(scratch())
            template(self.root / "first-start")
            self._loop = undo.enter_context(asyncio.Runner(loop_factory=virtual_loop))
            self._closing = undo.pop_all()

    @initialize(number=st.integers(0, 3), asks=st.booleans(), first=st.lists(picks, min_size=2, max_size=4))
    def open(self, *, number: int, asks: bool, first: list[int]) -> None:
        """Open the shop, and sell something."""
        if self.broken:
            return
        FIGURES["examples"] += 1
        self.premises = Premises.open(self.root, self.root / "first-start", tills=self.tills[number % len(self.tills)])
        self.premises.asks = asks
        self.premises.configure()
        self.people = People(self.premises)
        self.run(self._run([], [], products=True))
        for pick in first:
            self.run(self._does("sells", pick, ""))
        self.run(self._run([], []))

    # -- the loop and the process -------------------------------------------------------------------------------------------------
    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something in the machine's loop, whose time goes on from step to step; nothing more once something was found."""
        if self.broken:
            coroutine.close()
            return
        try:
            self._loop.run(coroutine)
        except Exception as error:
            self.broken = True
            if not self.goes_on:
                raise
            FOUND.append((str(error) if isinstance(error, AssertionError) else "".join(traceback.format_exception(error)), self.log))

    async def _start(self) -> None:
        self._process = AsyncExitStack()
        self.daemon = await self._process.enter_async_context(self.premises.process())

    async def _stop(self) -> None:
        self.daemon = None
        await self._process.aclose()

    async def _run(self, wrong: Sequence[tuple[int, Mode]], acts: Sequence[tuple[int, str, int]], *, products: bool = False) -> None:
        """Run the flows once, with things going wrong and people acting at points counted from here."""
        points, during = self.premises.points, self.premises.meanwhile
        base = len(points.trace)
        points.faults = {base + offset: mode for offset, mode in wrong}
        during.acts = {base + offset: self._deed(name, pick) for offset, name, pick in acts}
        points.armed = True
        try:
            if self.daemon is None:
                await self._start()
            assert self.daemon is not None
            for runner in self.daemon.runners.values():
                for flow in ("products", *(() if self.off else ("sales",))) if products else (() if self.off else ("sales",)):
                    await self._flow(runner, flow)
        except* Crash:
            FIGURES["kills"] += 1
            self.log.append("  killed")
        finally:
            points.armed, points.faults = False, {}
        if points.dead:
            await self._bury()
        for late in during.acts.values():
            late()
        during.acts = {}

    async def _flow(self, runner: FlowRunner, flow: str) -> None:
        run = await runner.run(flow)
        FIGURES[f"runs: {run.result}"] += 1
        self.log.append(f"  {flow} {run.result} {str(run.error)[:80]}")

    async def _bury(self) -> None:
        """The process is gone; what it had sent may still arrive."""
        await self._stop()
        for effect in self.premises.points.on_their_way:
            task = asyncio.create_task(self._arrive(effect))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        self.premises.points.on_their_way = []
        await self.premises.shop.clock.sleep(RESTART)

    async def _arrive(self, effect: Callable[[], Awaitable[object]]) -> None:
        await self.premises.shop.clock.sleep(IN_FLIGHT)
        try:
            await effect()
        except ConnectionError:
            FIGURES["arrived nowhere"] += 1

    # -- people -------------------------------------------------------------------------------------------------------------------
    def _deed(self, name: str, pick: int) -> Callable[[], None]:
        def act() -> None:
            self.people.interfered |= name in {"registers", "debtors"}
            self._act(name, pick)

        return act

    def _act(self, family: str, pick: int) -> None:
        """Do something of a kind: the number chooses what, and what makes no sense now gives way to the next."""
        acts = self.only.get(family) or FAMILIES[family]
        for offset in range(len(acts)):
            name = acts[(pick + offset) % len(acts)]
            try:
                getattr(self.people, name)(pick // len(acts))
            except (Vain, ValueError, Refusal) as error:
                VAIN[name] += 1
                self._note(f"{name} in vain {error}")
            else:
                ACTS[name] += 1
                self._note(f"{name} {self.people.told()}")
                for key, one in self.people.receipts().items():
                    self.people.sums[key].add(one.gross)
                return

    def _note(self, what: str) -> None:
        self.log.append(f"{self.premises.shop.clock.now():%d %H:%M:%S} {what}")

    async def _does(self, family: str, pick: int, then: str) -> None:
        self._act(family, pick)
        if then == "sweep":
            await self.premises.shop.clock.sleep(SWEEP_EVERY)
        if then:
            await self._run([], [])

    @precondition(_there("cashier_sells"))
    @rule(first=picks, second=picks, then=thens)
    def cashier_sells(self, first: int, second: int, then: str) -> None:
        """Sell to one customer after the other."""
        self.run(self._does("sells", first, ""))
        self.run(self._does("sells", second, then))

    @precondition(_there("cashier_says"))
    @rule(pick=picks, then=thens)
    def cashier_says(self, pick: int, then: str) -> None:
        """Paid, paid otherwise, not paid, called off, a sale after all, deleted."""
        self.run(self._does("says", pick, then))

    @precondition(_there("cashier_edits"))
    @rule(pick=picks, then=thens)
    def cashier_edits(self, pick: int, then: str) -> None:
        """Correct a receipt's lines or its customer."""
        self.run(self._does("edits", pick, then))

    @precondition(_there("bookkeeper"))
    @rule(family=st.sampled_from(["documents", "registers", "debtors"]), pick=picks, sale=picks, then=thens)
    def bookkeeper(self, family: str, pick: int, sale: int, then: str) -> None:
        """Do something to documents, to articles and the lock, or to debtors; the till sells on."""
        self.run(self._does(family, pick, ""))
        self.run(self._does("sells", sale, then))

    @precondition(_there("operations"))
    @rule(pick=picks, runs=st.sampled_from([40, 12, 3, 0]), pause=st.sampled_from([600.0, 60.0, 5.0]))
    def operations(self, pick: int, runs: int, pause: float) -> None:
        """A vendor goes away or comes back; the till sells and the daemon goes on meanwhile."""
        self.run(self._does("operations", pick, ""))
        self.run(self._does("sells", pick, ""))
        for _ in range(runs):
            self.run(self._goes_on(pause))

    async def _goes_on(self, pause: float) -> None:
        await self.premises.shop.clock.sleep(pause)
        await self._run([], [])

    @precondition(_there("daemon_runs"))
    @rule(wrong=faults, acts=meanwhile, products=st.booleans())
    def daemon_runs(self, wrong: list[tuple[int, Mode]], acts: list[tuple[int, str, int]], *, products: bool) -> None:
        """Run, with things going wrong and people acting in the middle."""
        self.run(self._run(wrong, acts, products=products))

    @precondition(_there("wait"))
    @rule(hours=st.sampled_from([0.01, 0.3, 1.1, 6.0]))
    def wait(self, hours: float) -> None:
        """Let time pass, and run."""
        self.run(self._goes_on(3600 * hours))

    @precondition(_there("administrator"))
    @rule(what=st.sampled_from(["turn the tills round", "restart", "ideal known", "ideal unknown", "ask", "correct"]))
    def administrator(self, what: str) -> None:
        """Start the process anew, perhaps with another configuration."""
        self.run(self._administer(what))

    async def _administer(self, what: str) -> None:
        ACTS[what] += 1
        self.log.append(what)
        await self._stop()
        premises = self.premises
        if what.startswith("ideal"):
            premises.methods = KNOWN_METHODS + ('ideal = "iDEAL"\n' if what == "ideal known" else "")
            self.people.decisions.accounts["ideal"].add("iDEAL")
        elif what in {"ask", "correct"}:
            premises.asks = what == "ask"
        elif what != "restart":
            premises.turned = not premises.turned
        premises.configure()

    @precondition(_there("shopkeeper"))
    @rule(act=st.sampled_from(["answer", "answer", "resend", "revoke", "settle", "off or on"]), pick=picks)
    def shopkeeper(self, act: str, pick: int) -> None:
        """Answer a question, take an answer back, send a receipt again, say what became of a write, switch the flow off or on."""
        self.run(self._shopkeep(act, pick))

    async def _shopkeep(self, act: str, pick: int) -> None:
        if self.daemon is None:
            await self._start()
        try:
            await {"answer": self._answer, "resend": self._resend, "revoke": self._revoke, "settle": self._settle, "off or on": self._turn}[
                act
            ](pick)
        except (Vain, Refusal):
            VAIN[act] += 1
        else:
            self.log.append(f"{act}({pick})")
            ACTS[act] += 1

    async def _turn(self, _pick: int) -> None:
        self.off = not self.off

    async def _answer(self, pick: int) -> None:
        assert self.daemon is not None
        question = choose(await self.daemon.store.questions(), pick)
        method = question.key.startswith("payment_method:")
        await self._say(question, choose(("iDEAL", "Kas") if method else question.choices, pick))

    async def _say(self, question: Question, answer: str) -> None:
        """Answer a question; what the answer says was done by hand is done first."""
        assert self.daemon is not None
        store = self.daemon.store
        kind, _, about = question.key.partition(":")
        if kind == "payment_method":
            self.people.decisions.accounts[about].add(answer)
        for key in await self._about(question):
            if answer == "rebook":
                self.people.take_back(key)
            if answer == "keep":
                self.people.keep(key)
            else:
                self.people.decisions.taken_back.discard(key)
                self.people.decisions.kept.pop(key, None)
        self.log.append(f"answer {question.key} {answer}")
        await store.answer(question.pair, question.key, answer, by="the shopkeeper")

    async def _about(self, question: Question) -> list[str]:
        """Return the receipts that a question about a change is about."""
        if not question.key.startswith("changed:"):
            return []
        assert self.daemon is not None
        till = question.pair.rpartition("/")[2]
        works = await self.daemon.store.open_work(question.pair, "sales")
        asked = [work.label for work in works if work.state == State.HELD and await self._asks(work, question)]
        return [f"{PREFIXES[till]}-{label}" for label in asked]

    async def _asks(self, work: Work, question: Question) -> bool:
        assert self.daemon is not None

        def look(connection: Any) -> bool:
            found = connection.execute(
                "SELECT question FROM work WHERE link = ? AND flow = ? AND record = ?", (work.pair, "sales", work.record)
            )
            return bool(found.fetchone()[0] == question.key)

        return await self.daemon.store.look(look)

    async def _resend(self, pick: int) -> None:
        await self._send_again(choose(self.people.receipts(), pick))

    async def _send_again(self, key: str) -> None:
        assert self.daemon is not None
        till, number = next((name, key.rpartition("-")[2]) for name, prefix in PREFIXES.items() if prefix == key.rpartition("-")[0])
        await self.daemon.store.resend(PairId(f"shop/{till}"), number, flow="sales")

    async def _revoke(self, pick: int) -> None:
        assert self.daemon is not None
        question = choose([one for one in await self.daemon.store.questions(answered=True) if one.key.startswith("payment_method:")], pick)
        await self.daemon.store.revoke_answer(question.pair, question.key, by="the shopkeeper")

    async def _settle(self, pick: int) -> None:
        """Say what the books show of a write whose outcome nobody knows."""
        assert self.daemon is not None
        works = [work for _, work in await self._held() if work.reason is Reason.UNDECIDABLE]
        await self._say_what_happened(choose(works, pick))

    async def _say_what_happened(self, work: Work) -> None:
        assert self.daemon is not None
        await self.daemon.store.settle_writes(work.pair, work.flow, work.record, happened=False, by="the shopkeeper")

    # -- what must be true ----------------------------------------------------------------------------------------------------------
    @invariant()
    def nothing_doubled(self) -> None:
        """No second document of ours under one key, whatever goes on."""
        FIGURES["steps"] += 1
        if hasattr(self, "people"):
            self.run(self._nothing_doubled())

    async def _nothing_doubled(self) -> None:
        self._none(doubled(self.people.documents()))

    @staticmethod
    def _none(problems: Sequence[str]) -> None:
        assert not problems, "\n".join(problems)

    def teardown(self) -> None:
        """Let everybody be back, give everything its time, and judge."""
        try:
            if hasattr(self, "people"):
                self.run(self._at_rest())
        finally:
            try:
                self._loop.run(self._stop())
            finally:
                self._closing.close()

    async def _held(self) -> list[tuple[str, Work]]:
        """Return what waits for a person, by the key of its first document."""
        assert self.daemon is not None
        return [
            (f"{PREFIXES[name]}-{work.label}", work)
            for name in self.daemon.runners
            for work in await self.daemon.store.open_work(PairId(f"shop/{name}"), "sales")
            if work.state in {State.HELD, State.DEAD} or work.reason is Reason.PERIOD_LOCKED
        ]

    async def _until_quiet(self) -> None:
        for _ in range(80):
            await self._run([], [], products=True)
            assert self.daemon is not None
            if any(watch.reauth_required for watch in self.daemon.app.watches.values()):
                ACTS["sign in"] += 1
                await self.premises.sign_in(self.daemon.store)
                continue
            scopes = [f"shop/{name}" for name in self.daemon.runners]
            due = [moment for scope in scopes if (moment := await self.daemon.store.next_due(PairId(scope), "sales")) is not None]
            now = self.premises.shop.clock.now()
            if not [moment for moment in due if (moment - now).total_seconds() < _PATIENCE]:
                return
            await self.premises.shop.clock.sleep(max(5.0, (min(due) - now).total_seconds()))
        message = "something is never done"
        raise AssertionError(message)

    async def _at_rest(self) -> None:
        self.people.lift_outages()
        self.off = False
        await self.premises.shop.clock.sleep(SWEEP_EVERY + 60.0)
        await self._until_quiet()
        for key in sorted(self.people.unseen | self.people.decisions.taken_back):
            await self._send_again(key)
        await self.premises.shop.clock.sleep(SWEEP_EVERY + 60.0)
        await self._until_quiet()
        held = await self._held()
        FIGURES["receipts"] += len(self.people.receipts())
        FIGURES["held at rest"] += len(held)
        self._none(self._unexplained(held))
        await self._judge([key for key, _ in held])
        for _ in range(_ROUNDS):
            if not held:
                break
            await self._take_the_ways_out(held)
            await self._until_quiet()
            held = await self._held()
        self._none([f"{key} is still held: {work.reason} {work.detail}" for key, work in held])
        await self._judge([])
        FIGURES["documents"] += len([one for one in self.people.documents() if not one.deleted])

    async def _judge(self, held: Sequence[str]) -> None:
        people = self.people
        self.log.append(f"judged, held: {list(held)}")
        found = disagreements(people.receipts(), people.documents(), people.debtors(), people.decisions, held=held)
        if not people.interfered:
            found += never_rung_up(people.documents(), people.sums)
        self._none([*found, *doubled(people.documents())])

    def _unexplained(self, held: Sequence[tuple[str, Work]]) -> list[str]:
        """Return what is held without a reason of its own, or without its amount."""
        found, receipts = [], self.people.receipts()
        for key, work in held:
            if not work.reason or work.reason in _OF_AN_OUTAGE:
                found.append(f"{key} is held as {work.reason or 'nothing'}: {work.detail}")
            receipt = receipts.get(key)
            amount = load_sale(work.payload).gross if work.payload else None
            if receipt is not None and not receipt.deleted and amount != receipt.gross:
                found.append(f"{key} is held with {amount}, the till has {receipt.gross}")
        return found

    async def _take_the_ways_out(self, held: Sequence[tuple[str, Work]]) -> None:
        """Answer every question, put right what was made impossible, say what happened, and send again."""
        assert self.daemon is not None
        tried: Counter[str] = self.__dict__.setdefault("_tried", Counter())
        self.people.cure_the_books()
        for key, work in held:
            ACTS[f"way out of {work.reason}"] += 1
            self.people.cure_the_receipt(key)
            self.people.pay_the_rest(key)
            if work.reason is Reason.UNDECIDABLE:
                await self._say_what_happened(work)
        for question in await self.daemon.store.questions():
            tried[question.key] += 1
            if question.key.startswith("payment_method:"):
                await self._say(question, "iDEAL")
            else:
                about = next(iter(await self._about(question)), "")
                tried[about] += 1
                # the first way out that is offered, and when that does not help the next one; to keep things wrong is none
                ways = [choice for choice in question.choices if choice != "keep"] or question.choices
                await self._say(question, ways[(tried[about] - 1) % len(ways)])
        for key, work in held:
            if work.reason is not Reason.DATED_AHEAD:
                await self._send_again(key)
        await self.premises.shop.clock.sleep(_LOCKED)


def run(*, examples: int, steps: int, chance: int | None = None, **how: object) -> None:
    """Run machines, the same ones every time unless ``chance`` chooses others.

    Raises what a machine found, with the steps to it, unless ``how`` (attributes of the machine) says that it ``goes_on``.
    """
    given = settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=chance is None,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory(), cache_logger_on_first_use=False)
    machine = type("Shop", (Shop,), how)
    try:
        run_state_machine_as_test(machine if chance is None else seed(chance)(machine), settings=given)
    finally:
        structlog.reset_defaults()


def main(arguments: Sequence[str]) -> int:
    """Run machines from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault.people", description=__doc__)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seed", type=int, default=None, help="other machines than the usual ones")
    parser.add_argument("--first", action="store_true", help="end with the first thing that is found, and shrink it")
    parser.add_argument("--variant", choices=sorted(people_bad.BY_NAME), help="run a daemon that is wrong on purpose")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    variant = people_bad.BY_NAME.get(given.variant)
    try:
        with variant.applied() if variant else nullcontext():
            stage = {} if variant is None else variant.stage()
            run(examples=given.examples, steps=given.steps, chance=given.seed, goes_on=not given.first, **stage)
    finally:
        for title, counted in (("figures", FIGURES), ("done", ACTS), ("in vain", VAIN)):
            print(f"{title}: " + ", ".join(f"{name} {count}" for name, count in sorted(counted.items())))
        print(f"{time.monotonic() - began:.0f} s")
    if variant is not None:
        print(f"{variant.name} ({variant.about}): {len(FOUND)} of {FIGURES['examples']} machines found it out")
        return 0 if FOUND else 1
    for what, log in FOUND:
        print("\n".join([*log, f"FOUND {what}", ""]))
    print(f"{len(FOUND)} machines found something" if FOUND else "found nothing")
    return 1 if FOUND else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
