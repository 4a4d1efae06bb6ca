"""Every hour: count the sources that have sent no lead for too long, or whose leads are incomplete too often.

A broken form causes no error.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.settings import settings
from leadbridge.storage.queries.backlog import BacklogMonitor, stale_sources
from leadbridge.storage.queries.incomplete_leads import IncompleteLeads
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def backlog() -> BacklogMonitor:
    """Make the monitor of this stack's leads."""
    return BacklogMonitor(open_table())


@lru_cache
def incomplete_leads() -> IncompleteLeads:
    """Make the reader of this stack's incomplete leads."""
    return IncompleteLeads(open_table())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:
    """Return the names of the stale sources, and of those whose share of incomplete leads has jumped."""
    return {"stale": find_stale(), "incomplete": find_incomplete()}


def find_incomplete() -> list[str]:
    """Count and return the sources whose share of incomplete leads has jumped."""
    shares = incomplete_leads().shares(settings().sources, utc_now())
    jumped = sorted(name for name, share in shares.items() if share.has_jumped)
    count("IncompleteSources", len(jumped))
    if jumped:
        counts = {name: f"{shares[name].incomplete} of {shares[name].leads}" for name in jumped}
        logger.warning("many leads are incomplete", incomplete=counts)
    return jumped


def find_stale() -> list[str]:
    """Count and return the stale sources. Only sources with `stale_after` are checked."""
    limits = {name: source.stale_after for name, source in settings().sources.items() if source.stale_after}
    if not limits:
        logger.info("no source has stale_after")
        return []
    now = utc_now()
    last = backlog().last_leads(limits, now)
    stale = stale_sources(last, limits, now)
    count("StaleSources", len(stale))
    logger.info(
        "checked",
        stale={name: to_text(last[name]) for name in stale},
        checked=len(limits),
        without_leads=sorted(limits.keys() - last),
    )
    return stale


warm_up(environment, settings, backlog, incomplete_leads)
