"""Run all tests, each tier in a process of its own: it imports what its tests need, and prints its result when it ends.

Each worker of pytest-xdist imports all test modules instead. On two cores that costs more than it saves.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).parents[1]
ONE_STACK = "stack"  # the tier whose tests share the one stack of the machine
BESIDE = (ONE_STACK, "contract")  # wait for half of their time, so they run beside the others, and get a core first
LONGEST_FIRST = ("browser", "unit", "runtime")
LAST = "chaos"  # the shortest, so that both cores end together. All tiers that are not named share a process before it
NAMED = {*BESIDE, *LONGEST_FIRST, LAST}
AT_ONCE = 2
TIMEOUT = 3600  # seconds
OUTCOME = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed)")


def parts() -> list[tuple[str, ...]]:
    """The tiers of each process, in the order in which they start."""
    found = {file.relative_to(PROJECT / "tests").parts[0] for file in PROJECT.glob("tests/*/**/test_*.py")}
    return [(tier,) for tier in LONGEST_FIRST] + [tuple(sorted(found - NAMED)), (LAST,)]


def command(tiers: Sequence[str], *, cores: int) -> list[str]:
    """The command that runs some tiers. Those that share a process are not named, for tests/sam_local."""
    share = 2 * AT_ONCE if tiers[0] in BESIDE else AT_ONCE
    workers = 1 if ONE_STACK in tiers else cores // share
    shared = ("--numprocesses", str(workers), "--dist", "worksteal") if workers > 1 else ()
    others = (f"--ignore=tests/{tier}" for tier in sorted(NAMED))
    chosen = (f"tests/{tiers[0]}",) if len(tiers) == 1 else ("tests", *others)
    return [sys.executable, "-m", "pytest", "--durations", "8", *shared, *chosen]


def run(tiers: Sequence[str], *, niceness: int = 10) -> tuple[int, str]:
    """Run some tiers and print what pytest printed. Returns the exit code, and a line with pytest's last one."""
    began = time.monotonic()
    words = ["nice", "-n", str(niceness), *command(tiers, cores=os.cpu_count() or 1)]
    done = subprocess.run(
        words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False
    )
    last = (done.stdout.strip().splitlines() or ["no output"])[-1].strip("= ")
    result = f"{', '.join(tiers)}: {'FAILED, ' if done.returncode else ''}{last} ({time.monotonic() - began:.0f} s)"
    print(done.stdout, result, sep="\n", end="\n\n", flush=True)
    return done.returncode, result


def total(results: Iterable[str], seconds: float) -> str:
    """Return the last line for all tiers, in the format of pytest's."""
    found = Counter[str]()
    for number, outcome in OUTCOME.findall("\n".join(results)):
        found[outcome] += int(number)
    counts = ", ".join(f"{found[outcome]} {outcome}" for outcome in sorted(found))
    return f" {counts or 'no tests ran'} in {seconds:.2f}s ".center(80, "=")


def main() -> int:
    began = time.monotonic()
    with ThreadPoolExecutor(len(BESIDE)) as beside, ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [beside.submit(run, (tier,), niceness=0) for tier in BESIDE]
        results = [*pool.map(run, parts()), *(tier.result() for tier in waiting)]
    lines = [result for _, result in results]
    print(*lines, total(lines, time.monotonic() - began), sep="\n")
    return int(any(code for code, _ in results))


if __name__ == "__main__":
    sys.exit(main())
