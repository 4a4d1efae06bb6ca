"""What all tiers share: how hypothesis searches, and which tests run on one worker when there are several."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("normal", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("normal"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))

FIRST = ("stack", "runtime")  # they start things that take a while, each once


@pytest.hookimpl(tryfirst=True)  # before the one that reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep each of these tiers on one worker, and let them begin before all others."""
    here = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        tier = item.path.relative_to(here).parts[0]
        return FIRST.index(tier) if tier in FIRST else len(FIRST)

    for item in items:
        if place(item) < len(FIRST):
            item.add_marker(pytest.mark.xdist_group(FIRST[place(item)]))
    items.sort(key=place)
