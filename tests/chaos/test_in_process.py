"""A few seeds of chaos in one process: enough to see that it works, in seconds. `make chaos` has the others."""

import os
import subprocess
import sys

import pytest

from quality.chaos.in_process.run import run

DIGEST = """
from hashlib import sha256
from quality.chaos.in_process.run import run
results = [run(seed, leads=2) for seed in ({before}7,)]
print(sha256(repr((results[-1].counters.counts, results[-1].snapshot.table)).encode()).hexdigest())
"""


@pytest.mark.parametrize("seed", [7, 52])
def test_after_everything_went_wrong_the_books_balance(seed: int) -> None:
    result = run(seed, leads=4)
    assert result.violations == []
    assert len(result.snapshot.leads) >= 4
    assert result.counters.counts.total() > 20


def test_a_seed_repeats_its_run_in_every_process_and_after_other_runs() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", DIGEST.format(before=before)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
        )
        for hash_seed, before in (("1", ""), ("2", "8, "))
    ]
    first, second = (process.communicate(timeout=120)[0] for process in processes)
    assert first == second != b""
