"""Once a day: what there was to count of the recent days is written down, for it shall outlive the people."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.domain.clock import utc_now
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.warmup import warm_up
from leadbridge.storage.queries.daily_stats import DailyStats
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def book() -> DailyStats:
    """The figures of this stack."""
    return DailyStats(open_table())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A schedule's tick in, how many days were counted out."""
    days = book().snapshot(utc_now().date())
    count("DaysCounted", days)
    logger.info("counted", days=days)
    return {"days": days}


warm_up(environment, book)
