"""``demo``: both vendors, a shop in them, and all flows, in one process."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from rich.live import Live
from rich.table import Table

from daemon.cli import show
from daemon.cli.run import stop_on_signal
from daemon.cli.session import configure, owning
from daemon.cli.vendors import Vendors, configuration, vendors
from daemon.core.flow_registry import KINDS, PRODUCTS, SALES, TURNS
from daemon.core.outcomes import Outcome, Reason
from daemon.engine.tally import COLUMNS
from daemon.flow_run import FlowRunner
from daemon.observe.alerts import Alerts, apprise_deliver
from daemon.observe.systemd import Notifier
from daemon.supervisor import Supervisor
from daemon.sync_until_idle import Result, result, settle_all
from daemon.web.serve import bind

if TYPE_CHECKING:
    import argparse

    from daemon.app import Pair
    from daemon.cli.session import Session
    from daemon.engine.tally import Tally

ZERO = Decimal(0)
#: how long the shop waits between two customers in the live demonstration, in seconds
_BETWEEN_SALES = 1.0


async def demo(args: argparse.Namespace) -> int:
    """Show the whole way of a shop's day."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kassabrug-demo-")))
        async with vendors(args.receipts, lenient=args.lenient, seed=args.seed, limits=args.limits == "vendor", open_shop=False) as running:
            path = folder / "kassabrug.toml"
            await anyio.Path(path).write_text(configuration(running, state_dir="state"), encoding="utf-8")
            settings, metrics = configure(path, quiet=True)
            async with owning(settings, metrics, args.state_dir) as session:
                return await (_once(session, running, as_json=args.json) if args.once else _live(session, running))


async def _once(session: Session, running: Vendors, *, as_json: bool) -> int:
    """Catalogue to the till, the day's sales to the books, stock back; then compare both vendors' own ledgers."""
    pair = session.app.pairs[0]
    runner = FlowRunner(pair)
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_signal, session.shared.stopping)
        with show.ERR.status("the catalogue goes to the till"):
            await settle_all(runner, tuple(name for name in TURNS if name != SALES.name), waiting=show.ERR.print)
        running.till.ring_up_all()
        with show.ERR.status("the day's receipts go to the books"):
            await settle_all(runner, TURNS, waiting=show.ERR.print)
        group.cancel_scope.cancel()
    outcome = await result(session.app)
    agree = _compare(running, outcome)
    if as_json:
        show.json_line(outcome.as_json())
    else:
        await _print_day(pair, running, outcome)
        show.OUT.print("Till and books agree to the cent." if agree else "Till and books differ.")
    return 0 if agree else 1


def _stock_differences(running: Vendors) -> list[tuple[str, object, object]]:
    """Return (SKU, till, books) where the two sides show another stock."""
    till = {sku.casefold(): stock for sku, stock in running.till.ledger().stock.items() if stock is not None}
    books = {sku.casefold(): stock for sku, stock in running.books.ledger().stock.items()}
    return [(sku, stock, books.get(sku)) for sku, stock in sorted(till.items()) if books.get(sku) != stock]


def _compare(running: Vendors, outcome: Result) -> bool:
    """Tell whether the ledgers of the vendors, and our own sums, all say the same."""
    till, books = running.till.ledger(), running.books.ledger()
    return (
        till.gross == books.gross == outcome.till == outcome.books
        and till.receipts == len(books.documents)
        and not outcome.held
        and not _stock_differences(running)
    )


async def _print_day(pair: Pair, running: Vendors, outcome: Result) -> None:
    till, books = running.till.ledger(), running.books.ledger()
    show.table(f"{len(running.world.receipts)} receipts in the till", ("what became of them", "number#"), await _kinds(pair, running))
    show.table(
        "Till and books",
        ("", "till#", "books#", "difference#"),
        [
            ("receipts, documents", till.receipts, len(books.documents), till.receipts - len(books.documents)),
            ("gross", f"{till.gross:.2f}", f"{books.gross:.2f}", f"{till.gross - books.gross:.2f}"),
            *_vat_rows(running),
            ("not paid yet", "", f"{books.remaining:.2f}", ""),
            ("products whose stock differs", "", "", len(_stock_differences(running))),
        ],
    )
    show.outcome(outcome)


async def _kinds(pair: Pair, running: Vendors) -> list[tuple[str, int]]:
    ledger = running.books.ledger()
    credited = sum(1 for document in ledger.documents if document.is_credit)
    nothing = sum(1 for document in ledger.documents if document.gross == 0)
    rows = [("invoices", len(ledger.documents) - credited), ("   of them give-aways (0.00)", nothing), ("credits", credited)]
    tally = pair.context.tally
    skipped: Counter[Reason] = Counter({reason: count for (flow, reason), count in tally.reasons.items() if flow == SALES.name})
    rows += [(f"skipped or held: {reason}", count) for reason, count in sorted(skipped.items())]
    settled = sum(tally.outcomes[SALES.name, outcome] for outcome in Outcome)
    return [*rows, ("together", settled)]


def _vat_rows(running: Vendors) -> list[tuple[str, str, str, str]]:
    till = {rate: vat for rate, _, vat in running.till.ledger().vat}
    books = running.books.ledger().vat
    rows = []
    for rate in sorted({*till, *books}, reverse=True):
        ours, theirs = till.get(rate, ZERO), books.get(rate, ZERO)
        rows.append((f"VAT {rate:f} %", f"{ours:.2f}", f"{theirs:.2f}", f"{ours - theirs:.2f}"))
    return rows


async def _live(session: Session, running: Vendors) -> int:
    """Run the daemon while the shop rings up its day, until stopped."""
    shared = session.shared
    alerts = Alerts(shared.store, shared.clock, apprise_deliver([], shared.metrics), shared.metrics)
    supervisor = Supervisor(session.app, shared, alerts, Notifier(), session.ownership)
    pair = session.app.pairs[0]
    with bind(*shared.settings.daemon.listen_on) as listening:
        host, port = listening.getsockname()[:2]
        show.OUT.print(f"Dashboard: http://{host}:{port}/   (Ctrl-C ends)")
        async with anyio.create_task_group() as group:
            group.start_soon(_ring_up, running, pair)
            group.start_soon(_show_live, running, pair.context.tally)
            await supervisor.run(listening)
            group.cancel_scope.cancel()
    return 0


async def _ring_up(running: Vendors, pair: Pair) -> None:
    """Open the shop when the catalogue has arrived, and serve one customer after the other."""
    while not pair.context.tally.row(PRODUCTS.name)["created"]:  # noqa: ASYNC110 - the tally is a plain count that nobody signals
        await anyio.sleep(_BETWEEN_SALES / 4)
    for receipt in running.world.receipts:
        running.till.ring_up(receipt)
        await anyio.sleep(_BETWEEN_SALES)


async def _show_live(running: Vendors, tally: Tally) -> None:
    with Live(console=show.OUT, refresh_per_second=4) as live:
        while True:
            live.update(_live_table(running, tally))
            await anyio.sleep(0.5)


def _live_table(running: Vendors, tally: Tally) -> Table:
    drawn = Table(title="Kassabrug", title_justify="left")
    drawn.add_column("flow")
    for column in COLUMNS:
        drawn.add_column(column, justify="right")
    for flow in KINDS:
        drawn.add_row(flow, *(str(number) for number in tally.row(flow).values()))
    till, books = running.till.ledger(), running.books.ledger()
    drawn.caption = f"till {till.receipts} receipts {till.gross:.2f} · books {len(books.documents)} documents {books.gross:.2f}"
    return drawn
