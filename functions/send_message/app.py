"""Send a pending message to its person: in order, outside quiet hours, to the right account, once."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.partner_errors import Unauthorized
from leadbridge.domain.events import MessageChanged, read_message_changed
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.partners.leeloo.models import LeelooPerson, PersonAccount
from leadbridge.partners.leeloo.wiring import leeloo
from leadbridge.runtime import aws
from leadbridge.runtime.batch import ids_in, process_batch
from leadbridge.runtime.budget import RECORDING_RESERVE, Budget, LambdaContext
from leadbridge.runtime.environment import DeadLetterEnvironment, QueueEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.services.dead_letters.bodies import failed_message, unrecorded_send
from leadbridge.services.outcomes import record_outcome
from leadbridge.services.send_message import Sender
from leadbridge.settings import settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def sender() -> Sender:
    """Wire the sender to this stack."""
    messages = settings().messages
    return Sender(
        leads=LeadRepository(open_table()),
        ledger=MessageRepository(open_table()),
        messenger=LeelooMessenger(leeloo(messages.timeouts, **messages.api.model_dump()), messages.channel),
        settings=messages,
        clock=utc_now,
        dead_letter=lambda message, error: send_dead_letter(failed_message(message, error)),
        save_answer=lambda message, error: send_dead_letter(unrecorded_send(message, error)),
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process SQS messages. Returns those to retry.

    A message carries `MessageChanged`, or `{"owner", "message_id", "overdue": true}` from find_due.
    """
    budget = Budget.of(context, reserve=RECORDING_RESERVE)

    def work(body: Any) -> timedelta | None:
        (owner, message_id), overdue = ids_in(body, read_message_changed, "owner", "message_id")
        logger.append_keys(lead_id=owner, message_id=message_id)
        result = sender().process(owner, message_id, budget, overdue=overdue)
        # A token that Leeloo itself rejects stays wrong until an operator replaces it.
        if isinstance(result.error, Unauthorized) and not result.error.is_intercepted:
            count("PartnerMisconfigured")
        record_outcome("Message", result.outcome, result.error, result.retry_after)
        return result.retry_after

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


warm_up(environment, aws.sqs, sender, *(model.model_rebuild for model in (MessageChanged, LeelooPerson, PersonAccount)))
