"""`make chaos SEED=7 LEADS=300 RUNS=5`: runs in one process, then one over the deployed stack, each with its checks.

Exits with 1 if a check finds a violation, or if planned faults did not occur.
"""

import argparse
import sys
from random import SystemRandom

from devstack.clients import forget_credentials
from devstack.workdir import LocalError
from quality.chaos.deployed.run import run as run_deployed
from quality.chaos.in_process.run import run as run_in_process
from quality.chaos.world import Result

LEADS = 6  # of each run in one process


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m quality.chaos", description="See docs/reliability.md.")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(1, 1_000_000), help="by default random")
    parser.add_argument("--leads", type=int, default=300, help="leads over the deployed stack; 0 for no such run")
    parser.add_argument("--runs", type=int, default=5, help="runs in one process, with consecutive seeds")
    arguments = parser.parse_args()
    if arguments.leads <= 0 and arguments.runs <= 0:
        parser.error("nothing to run: LEADS and RUNS are both 0")
    print(f"seed {arguments.seed}: repeat with make chaos SEED={arguments.seed}", flush=True)
    forget_credentials()
    results: list[Result] = []
    try:
        for seed in range(arguments.seed, arguments.seed + arguments.runs):
            results.append(run_in_process(seed, LEADS))
            events, seconds = results[-1].counters.counts.total(), results[-1].seconds
            print(f"in one process, seed {seed}: {LEADS} leads, {events} events, {seconds:.1f} s", flush=True)
            if results[-1].violations:
                print(results[-1].report())
        if arguments.leads:
            print(f"over the deployed stack, seed {arguments.seed}: {arguments.leads} leads", flush=True)
            results.append(run_deployed(arguments.seed, arguments.leads))
            print(results[-1].report())
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


if __name__ == "__main__":
    sys.exit(main())
