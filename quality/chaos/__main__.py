"""`make chaos SEED=7 LEADS=300 RUNS=5`: runs in one process, then one over the deployed stack, each with its checks.

Exits with 1 if a check finds a violation, or if planned faults did not occur.
"""

import argparse
import sys
import time
from random import SystemRandom

from devstack.clients import forget_credentials
from devstack.workdir import LocalError
from quality.chaos.world import Result


def main() -> int:
    arguments = _arguments()
    seed = SystemRandom().randrange(1, 1_000_000) if arguments.seed is None else arguments.seed
    print(f"seed {seed}: repeat with make chaos SEED={seed}", flush=True)
    forget_credentials()
    try:
        results = [_in_process(seed + number, arguments.small) for number in range(arguments.runs)]
        if arguments.leads:
            results.append(_deployed(seed, arguments.leads))
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    violations = sum(len(result.violations) for result in results)
    uncovered = [what for result in results for what in result.uncovered]
    print(f"\n{len(results)} runs, {violations or 'no'} violations")
    for what in uncovered:
        print(f"Planned faults did not occur: {what}.")
    return 1 if violations or uncovered else 0


def _in_process(seed: int, leads: int) -> Result:
    """One run in this process. Its details are printed only if it has violations."""
    from quality.chaos.in_process.run import run

    result = run(seed, leads)
    counts = f"{leads} leads, {result.counters.counts.total()} events, {result.seconds:.1f} s"
    print(f"in one process, seed {seed}: {counts}", flush=True)
    if result.violations:
        print("\n".join(result.report()))
    return result


def _deployed(seed: int, leads: int) -> Result:
    from quality.chaos.deployed.run import run

    began = time.monotonic()

    def log(text: str) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {text}", flush=True)

    print(f"over the deployed stack, seed {seed}: {leads} leads", flush=True)
    result = run(seed, leads, log)
    print("\n".join(result.report()))
    return result


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m quality.chaos", description="See docs/reliability.md.")
    parser.add_argument("--seed", type=int, help="the seed of the plan (random by default)")
    parser.add_argument("--leads", type=int, default=300, help="leads over the deployed stack; 0 for no such run")
    parser.add_argument("--runs", type=int, default=5, help="runs in one process, with consecutive seeds")
    parser.add_argument("--small", type=int, default=6, help="leads of each run in one process")
    arguments = parser.parse_args()
    if arguments.leads <= 0 and arguments.runs <= 0:
        parser.error("nothing to run: LEADS and RUNS are both 0")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
