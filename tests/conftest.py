"""What all tiers share: Hypothesis profiles, AWS service models that are read once, rarer garbage collection."""

import gc
import os
from collections import defaultdict
from functools import lru_cache
from itertools import chain

import pytest
from botocore import loaders
from hypothesis import HealthCheck, settings

pytest_plugins = ["quality.testkit.fixtures"]

settings.register_profile("normal", deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", parent=settings.get_profile("normal"), max_examples=250)
settings.register_profile("nightly", parent=settings.get_profile("normal"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))

loaders.create_loader = lru_cache(loaders.create_loader)
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage of the tests alone: nothing of what was imported before becomes garbage."""
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long each tier's tests took, of all workers together."""
    seconds: dict[str, float] = defaultdict(float)
    for report in chain.from_iterable(terminalreporter.stats.values()):
        if isinstance(report, pytest.TestReport):
            folder, _, rest = report.nodeid.removeprefix("tests/").partition("/")
            seconds[folder if rest else "tests"] += report.duration
    if seconds:
        terminalreporter.section("seconds by tier")
        terminalreporter.write_line(", ".join(f"{tier} {spent:.0f}" for tier, spent in sorted(seconds.items())))
