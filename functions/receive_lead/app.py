"""/webhooks/{source}: store the lead of a form's post; answer verification (GET) and preflight (OPTIONS) requests."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.api.problems import Response
from leadbridge.api.webhooks import answer_request
from leadbridge.auth.secrets import Secrets
from leadbridge.domain.acceptance.consent import Consent
from leadbridge.domain.clock import utc_now
from leadbridge.domain.fields import has_valid_check_digit
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead, LeadFields
from leadbridge.forms.base import adapter_named
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import logger, metrics
from leadbridge.services.receive_lead import LeadReceiver
from leadbridge.settings import self_check, settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.statistics.posts import PostCounter
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def receiver() -> LeadReceiver:
    """Wire the receiver to this stack."""
    secrets = Secrets(aws.secrets_manager(), environment().secrets_prefix)

    def source_credentials(source: str, fresh: bool) -> dict[str, Any]:
        if source == self_check.SOURCE:
            return {"secrets": self_check.signing_secrets(secrets.get(self_check.SOURCE))}
        refreshed = secrets.refresh("sources", entry=source) if fresh else None
        entry = (refreshed or secrets.get("sources")).get(source)
        return entry if isinstance(entry, dict) else {}

    def hashed(value: str) -> str:
        return keyed_hash(secrets.get("index")["key"], value)

    table = open_table()
    posts = PostCounter(table, settings().alerts.time_zone, settings().sources)
    return LeadReceiver(settings(), LeadRepository(table), source_credentials, hashed, utc_now, posts)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> Response:
    """Answer a gateway proxy event."""
    return answer_request(event, receiver)


def adapters() -> None:
    """Import the adapters of all sources, and the check of tax numbers."""
    for source in settings().sources.values():
        adapter_named(source.adapter)
    has_valid_check_digit("0" * 10)


warm_up(environment, receiver, adapters, *(model.model_rebuild for model in (LeadFields, Lead, Consent)))
