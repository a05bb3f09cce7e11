"""One run of a flow, from the first question to the last record, and what is said about it afterwards."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from connectors.port import ConnectorError, Unauthorized
from daemon.app import get_ready
from daemon.core.message import message
from daemon.core.outcomes import Reason
from daemon.core.retry import after_error
from daemon.engine.last_line import fault_of, survived
from daemon.engine.worker import FlowStopped
from daemon.waiting import HELD, waiting

if TYPE_CHECKING:
    from daemon.app import Pair
    from daemon.core.message import Message, Text

#: the fact of a link that names the company whose books it knows
COMPANY_FACT = "company"


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: ``success``, ``partial`` (some records are held), ``failure`` or ``aborted``; ``error`` in the vendor's words.

    ``again_in`` is in how many seconds, at the earliest, a vendor that was asked too often or is left alone is worth asking.
    """

    result: str
    error: Text = ""
    reason: Reason = Reason.NONE
    again_in: float = 0.0


class FlowRunner:
    """Runs the flows of one pair."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        #: the flows whose freshness has been told since the process began
        self._told: set[str] = set()

    async def run(self, flow: str) -> Run:
        """Run a flow once.  A vendor that fails ends the run, never the process; a fault of the store escapes."""
        context = self.pair.context
        context.metrics.run_started(flow, context.now(), link=context.pair_id)
        started = context.clock.monotonic()
        held_before = context.tally.total("held", (flow,)) + context.tally.total("failed", (flow,))
        try:
            await self._signed_in()
            await self.pair.flows[flow].run(self._ready)
            if self.pair.after_restore is not None:
                await self.pair.after_restore.ran(context, flow, started)
        except ConnectorError as error:
            run = self._failed(error)
        except FlowStopped as error:
            run = Run("failure", error.says, Reason.MASS_CHANGE)
        except Exception as error:  # noqa: BLE001 - nothing that is data ends the process: what no record is to blame for ends the run
            run = self._faulty(flow, survived(error))
        else:
            held = context.tally.total("held", (flow,)) + context.tally.total("failed", (flow,)) > held_before
            run = Run("aborted" if context.stopping.is_set() else "partial" if held else "success")
            if cures := self._cures():
                run = Run("failure", message("run.cures", cures=cures), Reason.UNAUTHORIZED)
        run = await self._fresh(flow, run)
        context.signed_out = context.signed_out or bool(self._cures())
        seconds = context.clock.monotonic() - started
        context.metrics.run_finished(flow, run.result, context.now(), seconds, link=context.pair_id)
        return run

    async def _ready(self) -> None:
        """See that the books are the right ones, and take in once what the configuration says; raises the errors of the port."""
        await get_ready(self.pair.context)
        await self._same_company()
        await self.pair.begin()

    async def _signed_in(self) -> None:
        """Begin nothing while a connection must be signed in to again.

        The books' connector asks nobody as long as it knows only tokens that were denied: it looks whether somebody has signed in since.
        Keys are tried again after a while.

        Raises:
            Unauthorized: it must be signed in to.
        """
        context = self.pair.context
        books, till = self.pair.watches
        context.signed_out = context.signed_out or books.reauth_required or till.reauth_required
        if till.left_alone:
            raise Unauthorized("the keys were refused")
        if books.reauth_required:
            await context.books.server_time()
        if context.signed_out and not till.reauth_required:
            await context.store.release_waiting(context.pair_id, reason=Reason.UNAUTHORIZED)
            context.resume()

    async def _same_company(self) -> None:
        """Remember whose books these are, and never go on in those of another company: all that is known of them would be wrong.

        Raises:
            Unauthorized: they are another company's.
        """
        context = self.pair.context
        company = context.company.id if context.company is not None else ""
        known = await context.store.fact(context.link_id, COMPANY_FACT)
        if known is None and company:
            await context.store.remember(context.link_id, {COMPANY_FACT: company})
        elif known is not None and known != company:
            raise Unauthorized("the sign-in is for another company than these books belong to: kassabrug check says more")

    def _cures(self) -> list[Message]:
        """What a person has to do before this pair can go on."""
        return [watch.cure for watch in self.pair.watches if watch.reauth_required]

    def _faulty(self, flow: str, error: Exception) -> Run:
        if isinstance(error, ConnectorError):
            return self._failed(error)
        fault = fault_of(error)
        self.pair.context.log.error("internal", flow=flow, **asdict(fault), exc_info=error)
        return Run("failure", fault.says, Reason.INTERNAL)

    def _failed(self, error: ConnectorError) -> Run:
        context = self.pair.context
        cures = self._cures() if isinstance(error, Unauthorized) else []
        decision = after_error(error, 0, context.policy, jitter=context.rng.random())
        said: Text = message("run.cures", cures=[str(error), *cures]) if cures else str(error)
        if isinstance(error, Unauthorized):
            context.pause(decision.delay.total_seconds(), decision.reason)
        return Run("failure", said, decision.reason, error.retry_after or 0.0)

    def again_in(self, run: Run) -> float:
        """Return in how many seconds it is worth trying again what a run has failed at; 0 when nothing says so."""
        return max(run.again_in, *(watch.asks_again_in() for watch in self.pair.watches))

    async def _fresh(self, flow: str, run: Run) -> Run:
        """Tell how far the flow is, after a failure too; a run that found nothing due while a vendor is away was none.

        Freshness is measured at the source: with nothing waiting, all that it has is settled.  What waits for a person is not waited for.
        """
        context = self.pair.context
        waits = waiting(await context.store.counts(), flow, context.pair_id).records
        position = await context.store.position(context.pair_id, flow)
        if position.moment is not None and not waits:
            context.metrics.settled(flow, position.moment, link=context.pair_id)
        elif position.moment is not None and flow not in self._told:
            works = [work.moment for work in await context.store.open_work(context.pair_id, flow) if work.state not in HELD]
            oldest = min(works, default=position.moment)
            context.metrics.settled(flow, oldest, link=context.pair_id)
        if position.moment is not None and flow not in self._told:
            self._told.add(flow)
            context.metrics.newest_at_source(flow, position.moment, link=context.pair_id)
        if waits and (away := self.away()) and run.result in {"success", "partial"}:
            return Run("failure", away, Reason.UNREACHABLE)
        return run

    def away(self) -> Text:
        """Say which connections are down, and where; empty when none is."""
        known = [(watch.name, watch.trouble) for watch in self.pair.watches if watch.away]
        down = [message("run.away", name=name, trouble=trouble.says) for name, trouble in known if trouble is not None]
        return message("run.cures", cures=down) if down else ""
