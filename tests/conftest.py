"""What all tiers share: how hypothesis searches, and which tests run on one worker when there are several."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("normal", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("normal"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))

FIRST = ("stack", "runtime")  # they start things that take a while, each once


def pytest_itemcollected(item: pytest.Item) -> None:
    """Keep each of these tiers on one worker."""
    if tier_of(item) in FIRST:
        item.add_marker(pytest.mark.xdist_group(tier_of(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let them begin before all others."""
    items.sort(key=lambda item: FIRST.index(tier_of(item)) if tier_of(item) in FIRST else len(FIRST))


def tier_of(item: pytest.Item) -> str:
    """The folder below tests/ that a test lies in."""
    return item.path.relative_to(Path(__file__).parent).parts[0]
