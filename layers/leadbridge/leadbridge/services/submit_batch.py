"""What the functions that submit have in common: their queue's messages, what the submitter did, the dead letters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from leadbridge.domain.delivery import Delivery
from leadbridge.domain.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.events import read_delivery_changed
from leadbridge.domain.lead import Lead, next_partner
from leadbridge.domain.partner_answer import RECORD_ANSWER, PartnerAnswer
from leadbridge.domain.repeats import Repeat
from leadbridge.runtime import aws
from leadbridge.runtime.batch import process_batch
from leadbridge.runtime.budget import RECORDING_RESERVE, Budget, LambdaContext
from leadbridge.runtime.environment import QueueEnvironment
from leadbridge.runtime.logs import logger
from leadbridge.runtime.outcomes import record_outcome
from leadbridge.runtime.queues import send_dead_letter
from leadbridge.services.submit_lead import Submitter
from leadbridge.settings import Settings
from leadbridge.storage.claims import Claims, EarlierLead

NOT_WRITTEN = ErrorInfo(
    ErrorCode.ANSWER_NOT_RECORDED, "the partner has answered, and the answer could not be written down"
)


def submit_each(event: dict[str, Any], context: LambdaContext, submitter: Callable[[], Submitter]) -> dict[str, Any]:
    """SQS messages that carry `DeliveryChanged` in, those that must come again out. `QUEUE_URL` is their queue."""
    budget = Budget.of(context, reserve=RECORDING_RESERVE)

    def work(envelope: Any) -> timedelta | None:
        changed = read_delivery_changed(envelope)
        logger.append_keys(lead_id=changed.lead_id, partner=changed.partner)
        result = submitter().process(changed.lead_id, changed.partner, budget)
        record_outcome("Submission", result.outcome, result.error, result.retry_after)
        return result.retry_after

    return process_batch(event, work, queue=aws.sqs(), queue_url=QueueEnvironment.from_env().queue_url)


def dead_letter(delivery: Delivery, error: ErrorInfo) -> None:
    """Put a delivery that cannot go on by itself where an operator finds it: which lead, which step, why.

    `DEAD_LETTER_QUEUE_URL` is where.
    """
    body = {"lead_id": delivery.lead_id, "partner": delivery.partner, "step": "submit", **error.letter}
    send_dead_letter(body)


def keep_answer(delivery: Delivery, answer: PartnerAnswer) -> None:
    """Put a partner's answer that the table did not take into the dead-letter queue; redrive writes it down."""
    body = {
        "lead_id": delivery.lead_id,
        "partner": delivery.partner,
        "step": RECORD_ANSWER,
        **NOT_WRITTEN.letter,
        "answer": answer.as_json(),
        "attempt": delivery.attempts,
    }
    send_dead_letter(body)


@dataclass(frozen=True)
class Repeats:
    """Who came before, by the claims in the table, as each source's configuration has it."""

    claims: Claims
    settings: Settings

    def first(self, delivery: Delivery) -> EarlierLead | None:
        """Return the lead with which the person came to this partner before; None if there is none or none counts."""
        source = self.settings.sources.get(delivery.source)
        if source is None or not source.dedup_days:
            return None
        longest = max(one.dedup_days for one in self.settings.sources.values())
        return self.claims.first(delivery, timedelta(days=source.dedup_days), timedelta(days=longest))

    def then(self, source: str) -> Repeat:
        """What a source wants done with them."""
        return Repeat(self.settings.sources[source].on_repeat)


def falls_back_on(settings: Settings) -> Callable[[Lead, str], str | None]:
    """Which partner gets a lead that another one has rejected: the next in its order that it has enough for."""
    return lambda lead, partner: next_partner(lead, partner, settings.partners)
