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
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
BESIDE = "stack"  # waits for the emulator most of its time, so it runs beside the others and is first to get a core
LONGEST_FIRST = ("unit", "contract", "browser", "chaos")  # all other tiers share one process
AT_ONCE = 2
TIMEOUT = 3600  # seconds
SUMMARY = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*$", re.MULTILINE)  # pytest's last line


@dataclass(frozen=True)
class Result:
    """The exit code of some tiers, their seconds, and the number of tests by outcome: `passed`, `failed` …"""

    name: str
    code: int
    seconds: float
    tests: Counter[str]

    def __str__(self) -> str:
        return f"{self.name}: {'FAILED' if self.code else 'passed'} in {self.seconds:.0f} s"


def parts() -> list[tuple[str, ...]]:
    """The tiers that run one process after the other, in their order."""
    found = {file.relative_to(PROJECT / "tests").parts[0] for file in PROJECT.glob("tests/*/**/test_*.py")}
    return [*((tier,) for tier in LONGEST_FIRST), tuple(sorted(found - {BESIDE, *LONGEST_FIRST}))]


def command(tiers: Sequence[str], *, cores: int) -> list[str]:
    """The command that runs some tiers. Those that share a process are not named, for tests/sam_local."""
    workers = 1 if BESIDE in tiers else cores // AT_ONCE
    shared = ("--numprocesses", str(workers), "--dist", "worksteal") if workers > 1 else ()
    others = (f"--ignore=tests/{tier}" for tier in (BESIDE, *LONGEST_FIRST))
    chosen = (f"tests/{tiers[0]}",) if len(tiers) == 1 else ("tests", *others)
    return [sys.executable, "-m", "pytest", "--durations", "8", *shared, *chosen]


def run(tiers: Sequence[str], *, niceness: int = 10) -> Result:
    """Run some tiers, then print what pytest printed."""
    began = time.monotonic()
    words = ["nice", "-n", str(niceness), *command(tiers, cores=os.cpu_count() or 1)]
    done = subprocess.run(
        words, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False
    )
    result = Result(", ".join(tiers), done.returncode, time.monotonic() - began, outcomes(done.stdout))
    print(done.stdout, result, sep="\n", end="\n\n", flush=True)
    return result


def outcomes(printed: str) -> Counter[str]:
    """Return the number of tests by outcome, from what pytest printed."""
    summaries = SUMMARY.findall(printed)
    pairs = (part.split() for part in summaries[-1].split(", ")) if summaries else ()
    return Counter({outcome: int(number) for number, outcome in pairs})


def summary(results: Iterable[Result], seconds: float) -> str:
    """Return the last line, in the format of pytest's."""
    tests = sum((result.tests for result in results), Counter[str]())
    counts = ", ".join(f"{tests[outcome]} {outcome}" for outcome in sorted(tests))
    return f" {counts or 'no tests ran'} in {seconds:.2f}s ".center(80, "=")


def main() -> int:
    """Run all tests. Returns 1 if one failed."""
    began = time.monotonic()
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(AT_ONCE) as pool:
        stack = beside.submit(run, (BESIDE,), niceness=0)
        results = [*pool.map(run, parts()), stack.result()]
    print(*results, summary(results, time.monotonic() - began), sep="\n")
    return int(any(result.code for result in results))


if __name__ == "__main__":
    sys.exit(main())
