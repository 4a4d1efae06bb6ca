"""A few seeds of chaos in one process: enough to see that it works, in seconds. `make chaos` has the others."""

import os
import subprocess
import sys

import pytest

from quality.chaos.in_process.run import run

ALONE = """
from quality.chaos.in_process.run import run
result = run(7, leads=2)
print((result.counters.counts, result.snapshot.table))
"""


@pytest.mark.parametrize("seed", [7, 52])
def test_after_everything_went_wrong_the_books_balance(seed: int) -> None:
    result = run(seed, leads=4)
    assert result.violations == []
    assert len(result.snapshot.leads) >= 4
    assert result.counters.counts.total() > 20


def test_a_seed_repeats_its_run_in_every_process_and_after_other_runs() -> None:
    environment = {**os.environ, "PYTHONHASHSEED": "1"}  # this process has another one
    with subprocess.Popen([sys.executable, "-c", ALONE], env=environment, stdout=subprocess.PIPE, text=True) as process:
        run(8, leads=2)
        result = run(7, leads=2)
        alone, _ = process.communicate(timeout=120)
    assert alone.strip() == repr((result.counters.counts, result.snapshot.table))
