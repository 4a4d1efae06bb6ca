"""A few seeds of chaos in one process: enough to see that it works, in seconds. `make chaos` has the others."""

import pytest

from quality.chaos.in_process.run import run


@pytest.mark.parametrize("seed", [7, 52])
def test_after_everything_went_wrong_the_books_balance(seed: int) -> None:
    result = run(seed, leads=4)
    assert result.violations == []
    assert len(result.snapshot.leads) >= 4
    assert result.counters.counts.total() > 20
