"""A pending message goes to the person: in its turn, at a decent hour, to the right account, once."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Any

from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.error_codes import ErrorInfo
from leadbridge.domain.errors.partner_answer import RECORD_ANSWER
from leadbridge.domain.errors.partner_errors import Unauthorized
from leadbridge.domain.events import MessageChanged, read_message_changed
from leadbridge.domain.message import Message
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.partners.leeloo.models.people import LeelooPerson, PersonAccount
from leadbridge.partners.leeloo.wiring import leeloo
from leadbridge.runtime import aws
from leadbridge.runtime.batch import process_batch
from leadbridge.runtime.budget import RECORDING_RESERVE, Budget, LambdaContext
from leadbridge.runtime.environment import DeadLetterEnvironment, QueueEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.runtime.warmup import warm_up
from leadbridge.services.outcomes import record_outcome
from leadbridge.services.send_message import Sender
from leadbridge.settings import settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import open_table


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""


@lru_cache
def environment() -> Environment:
    """Return the environment variables."""
    return Environment.from_env()


@lru_cache
def sender() -> Sender:
    """The sender, wired to this stack."""
    messages = settings().messages
    return Sender(
        leads=LeadRepository(open_table()),
        ledger=MessageRepository(open_table()),
        messenger=LeelooMessenger(leeloo(messages.timeouts, **messages.api.model_dump()), messages.channel),
        settings=messages,
        clock=utc_now,
        dead_letter=dead_letter,
        save_answer=save_answer,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """SQS messages in, those that must come again out.

    A message carries `MessageChanged`, or `{"owner", "message_id", "overdue": true}` from find_due.
    """
    budget = Budget.of(context, reserve=RECORDING_RESERVE)

    def work(body: Any) -> timedelta | None:
        overdue = isinstance(body, dict) and body.get("overdue") is True
        if overdue:
            owner, message_id = str(body["owner"]), str(body["message_id"])
        else:
            changed = read_message_changed(body)
            owner, message_id = changed.owner, changed.message_id
        logger.append_keys(lead_id=owner, message_id=message_id)
        result = sender().process(owner, message_id, budget, overdue=overdue)
        if isinstance(result.error, Unauthorized):  # the token is the secret's own, and good until somebody changes it
            count("PartnerMisconfigured")
        record_outcome("Message", result.outcome, result.error, result.retry_after)
        return result.retry_after

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


def dead_letter(message: Message, error: ErrorInfo) -> None:
    """Put a message that cannot be sent where an operator finds it: whose, which step, why."""
    send_dead_letter({"lead_id": message.owner, "message_id": message.message_id, "step": "send", **error.letter})


def save_answer(message: Message, error: ErrorInfo) -> None:
    """Put the answer to a send that the table did not take into the dead-letter queue; redrive writes it down."""
    about = {"lead_id": message.owner, "message_id": message.message_id, "step": RECORD_ANSWER, **error.letter}
    send_dead_letter({**about, "answer": {"outcome": "sent"}, "attempt": message.attempts})


warm_up(environment, aws.sqs, sender, *(model.model_rebuild for model in (MessageChanged, LeelooPerson, PersonAccount)))
