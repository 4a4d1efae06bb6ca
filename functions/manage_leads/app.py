"""The operators' API: leadbridge.api.routes has a function for each route."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.api.problems import Response
from leadbridge.api.resources import Environment, Resources
from leadbridge.api.router import handle, prepare
from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.runtime.logs import logger, metrics
from leadbridge.settings import settings
from leadbridge.storage.table import open_table


@lru_cache
def resources() -> Resources:
    """Wire the resources of the routes to this stack."""
    return Resources(Environment.from_env())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Answer a gateway proxy event."""
    return handle(event, context, resources)


warm_up(
    settings,
    open_table,
    aws.secrets_manager,
    lambda: prepare("GET", "/leads"),
    Consent.model_rebuild,
    Lead.model_rebuild,
)
