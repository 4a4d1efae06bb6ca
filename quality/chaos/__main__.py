"""`make chaos SEED=7 LEADS=300 RUNS=5`: chaos in one process, then over the deployed stack, and the books after each.

Exits with 1 if any book does not balance, and says of which lead; or if what was to go wrong did not.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import SystemRandom

from devstack.clients import forget_credentials
from devstack.workdir import LocalError
from quality.chaos.counters import Result


def main() -> int:
    """Do the runs that the arguments ask for."""
    arguments = _arguments()
    seed = SystemRandom().randrange(1, 1_000_000) if arguments.seed is None else arguments.seed
    print(f"seed {seed}: make chaos SEED={seed} does it again", flush=True)
    forget_credentials()
    results: list[Result] = []
    try:
        results += [_in_process(seed + number, arguments.small) for number in range(arguments.runs)]
        if arguments.leads:
            results.append(_deployed(seed, arguments.leads))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    wrong = sum(len(result.violations) for result in results)
    lacking = [what for result in results for what in result.lacking]
    print(f"\n{len(results)} runs, {wrong or 'no'} violations")
    for what in lacking:
        print(f"The run proves too little: {what}.")
    return 1 if wrong or lacking else 0


def _in_process(seed: int, leads: int) -> Result:
    """One run in this process; told at length only if its books do not balance."""
    from quality.chaos.in_process.run import run

    result = run(seed, leads)
    happened = f"{leads} leads, {result.tally.counted.total()} things happened, {result.seconds:.1f} s"
    print(f"in one process, seed {seed}: {happened}", flush=True)
    if result.violations:
        _tell(result)
    return result


def _deployed(seed: int, leads: int) -> Result:
    """The run over the deployed stack."""
    from quality.chaos.deployed.run import run

    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    print(f"over the deployed stack, seed {seed}: {leads} leads", flush=True)
    result = run(seed, leads, say)
    _tell(result)
    return result


def _tell(result: Result) -> None:
    """What was done, and the balance."""
    print("\nWhat was done to it:")
    print("\n".join(result.tally.lines()))
    print(f"\nWhat came of it ({len(result.books.files)} leads, {result.seconds:.0f} s): {result.states()}")
    print("\nThe books:")
    print("\n".join(result.balance()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m quality.chaos", description=f"See {Path('docs/reliability.md')}.")
    parser.add_argument("--seed", type=int, help="of the plan; without it one is drawn and printed")
    parser.add_argument("--leads", type=int, default=300, help="over the deployed stack; 0 for none")
    parser.add_argument("--runs", type=int, default=5, help="in one process, each with a seed of its own")
    parser.add_argument("--small", type=int, default=6, help="leads of each run in one process")
    arguments = parser.parse_args()
    if arguments.leads <= 0 and arguments.runs <= 0:
        parser.error("nothing is to be run: LEADS and RUNS are both 0")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
