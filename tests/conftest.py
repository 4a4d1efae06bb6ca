"""What all tiers share: Hypothesis profiles, AWS service models that are read once, rarer garbage collection."""

import gc
import os
from functools import lru_cache

from botocore import loaders
from hypothesis import HealthCheck, settings

pytest_plugins = ["quality.testkit.fixtures"]

settings.register_profile("normal", deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", parent=settings.get_profile("normal"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "normal"))

loaders.create_loader = lru_cache(loaders.create_loader)


def pytest_collection_finish() -> None:
    """Leave what the tests have imported out of every garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
