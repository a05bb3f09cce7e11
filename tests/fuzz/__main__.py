"""Fuzzes every surface: ``python -m tests.fuzz [--tries N] [--seed N] [--only TEXT]``.

The tries are shared out evenly.  Exit code 0: nothing escaped, nothing took over a second or left 20 MB behind, no nonsense was taken.
"""

from __future__ import annotations

import argparse
import sys
from random import Random, SystemRandom

import anyio

from tests.fuzz.every import SURFACES
from tests.fuzz.fuzzing import Report, fuzz


def main() -> int:
    """Fuzz, print a line for each surface and each find, and tell whether all held."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tries", type=int, default=200_000, help="over all surfaces together")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--only", default="", metavar="TEXT", help="surfaces whose name holds this text")
    args = parser.parse_args()
    seed = args.seed if args.seed is not None else SystemRandom().randrange(1_000_000)
    chosen = [one for one in SURFACES if args.only in one.name]
    print(f"seed {seed}, {args.tries} tries over {len(chosen)} surfaces", flush=True)

    async def all_of_them() -> list[Report]:
        reports = []
        for surface in chosen:
            report = await fuzz(surface, args.tries // len(chosen), Random(f"{seed} {surface.name}"))
            reports.append(report)
            print(report.line, *(f"  {find}" for find in report.finds.values()), sep="\n", flush=True)
        return reports

    reports = anyio.run(all_of_them)
    finds = sum(len(report.finds) for report in reports)
    print(f"{sum(report.tries for report in reports)} tries, {finds} finds")
    return 1 if finds or not reports else 0


if __name__ == "__main__":
    sys.exit(main())
