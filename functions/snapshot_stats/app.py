"""Once a day: store the counts of recent days, which are kept longer than the leads."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.storage.queries.daily_stats import DailyStats
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def stats() -> DailyStats:
    """Make the daily statistics of this stack."""
    return DailyStats(open_table())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Store the counts. Returns the number of days."""
    days = stats().snapshot(utc_now().date())
    count("DaysCounted", days)
    logger.info("counted", days=days)
    return {"days": days}


warm_up(environment, stats)
