"""Every hour: whose leads have stopped coming? A form that broke tells nobody, and nobody misses what never came."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.domain.clock import to_text, utc_now
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.warmup import warm_up
from leadbridge.settings import settings
from leadbridge.storage.queries.backlog import BacklogMonitor, stale_sources
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def watch() -> BacklogMonitor:
    """The watch over this stack's leads."""
    return BacklogMonitor(open_table())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    """A schedule's tick in, the names of the quiet sources out. Only sources with `stale_after` are looked at."""
    longest = {name: source.stale_after for name, source in settings().sources.items() if source.stale_after}
    if not longest:
        logger.info("no source is watched")
        return {"quiet": []}
    last = watch().last_leads(longest)
    quiet = stale_sources(last, longest, utc_now())
    count("StaleSources", len(quiet))
    logger.info(
        "looked",
        quiet={name: to_text(last[name]) for name in quiet},
        watched=len(longest),
        never_heard_of=sorted(longest.keys() - last),
    )
    return {"quiet": quiet}


warm_up(environment, settings, watch)
