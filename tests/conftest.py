"""What all tiers share: Hypothesis profiles, cached AWS service models, and the workers of costly tiers."""

import os
from functools import lru_cache

import pytest
from botocore import loaders
from hypothesis import HealthCheck, settings

pytest_plugins = ["quality.testkit.fixtures"]

settings.register_profile("normal", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("normal"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))

loaders.create_loader = lru_cache(loaders.create_loader)

ONE_WORKER = ("runtime", "browser")  # tiers that start processes of their own once per worker


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a tier with a costly setup in one worker."""
    for item in items:
        for tier in ONE_WORKER:
            if item.nodeid.startswith(f"tests/{tier}/"):
                item.add_marker(pytest.mark.xdist_group(tier))
