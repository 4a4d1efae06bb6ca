"""Alert operators: post the alarms of this stack, and a daily digest, to Telegram and to webhooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.auth.secrets import Secrets
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.secret_errors import SecretMissing, SecretUnusable
from leadbridge.partners.alerts.targets import SECRET, BrokenTarget, targets_of
from leadbridge.runtime import aws
from leadbridge.runtime.batch import process_batch
from leadbridge.runtime.budget import Budget, LambdaContext
from leadbridge.runtime.environment import (
    DeadLetterEnvironment,
    QueueEnvironment,
    SharedEnvironment,
    TableEnvironment,
    json_variable,
)
from leadbridge.runtime.logs import count, count_version_fault, logger, metrics
from leadbridge.services.alerts.send_alert import AlertSender, read_message
from leadbridge.services.alerts.texts import AlertTexts
from leadbridge.settings import settings
from leadbridge.storage.alerts.repository import AlertRepository
from leadbridge.storage.table import open_table

if TYPE_CHECKING:
    from leadbridge.domain.alerts.alarm import Notice
    from leadbridge.services.ports.alerts import AlertTarget

RESERVE = 20.0  # seconds for the e-mail and the last write


class Environment(SharedEnvironment, TableEnvironment, QueueEnvironment, DeadLetterEnvironment):
    """The environment variables of this function. `dead_letter_queues` are URLs by name."""

    email_topic_arn: str
    console_url: str
    powertools_metrics_namespace: str  # the stack's name
    dead_letter_queues: Mapping[str, str] = json_variable()


environment = lru_cache(Environment.from_env)


@lru_cache
def secrets() -> Secrets:
    """Make the reader of this stack's secrets."""
    return Secrets(aws.secrets_manager(), environment().secrets_prefix)


@lru_cache
def sender() -> AlertSender:
    """Wire the sender to this stack."""
    configured = settings().alerts
    console_url = configured.console_url or environment().console_url
    return AlertSender(
        ledger=AlertRepository(open_table()),
        targets=targets,
        publish=publish,
        texts=AlertTexts(configured, environment().powertools_metrics_namespace, console_url),
        email_after=configured.email_after,
        digest=digest,
        clock=utc_now,
    )


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Process SQS messages: notifications of SNS, and `{"digest": day}`. Returns those to retry.

    For the schedule's event, queue the digest that is due. Each tick of two hours queues it, and it is sent once.
    """
    if "Records" not in event:
        return tick()
    budget = Budget.of(context, reserve=RESERVE)
    event = {"Records": [record for record in event["Records"] if not move_unreadable(record["body"])]}

    def work(body: Any) -> timedelta | None:
        result = sender().process(body, budget)
        count("Alert.sent", len(result.sent))
        if result.failed:
            count("Alert.failed", len(result.failed))
        if result.is_emailed:
            count("Alert.emailed")
        for error in result.faults:
            count("MessagesFailed")
            count_version_fault(error)
            logger.error("a target has failed unexpectedly", exc_info=error)
        logger.info(
            "alert processed",
            sent=result.sent,
            failed=result.failed,
            emailed=result.is_emailed,
            retry_after=result.retry_after and result.retry_after.total_seconds(),
        )
        return result.retry_after

    return process_batch(event, work, queue=aws.sqs(), queue_url=environment().queue_url)


def move_unreadable(body: str) -> bool:
    """Move a message that no attempt can read to the dead-letter queue. Returns whether it was moved."""
    try:
        read_message(json.loads(body))
    except ValueError:
        logger.exception("the message cannot be read")
        count("MessagesFailed")
    else:
        return False
    from leadbridge.runtime.queues import send_dead_letter_text

    try:
        send_dead_letter_text(body)
    except Exception:  # the message stays in its queue, and is retried
        logger.exception("the message could not be moved to the dead-letter queue")
        return False
    return True


def tick() -> dict[str, Any]:
    """Queue the digest if it is due. Returns its day."""
    from leadbridge.runtime.queues import send
    from leadbridge.services.alerts.digest import due_digest

    day = due_digest(settings().alerts, utc_now())
    count("Alert.digests_queued", int(day is not None))
    if day is not None:
        send(environment().queue_url, {"digest": day.isoformat()})
    return {"digest": day and day.isoformat()}


def targets() -> list[AlertTarget]:
    """Return the targets of the secret; none without a value, and one that takes nothing if it is unusable."""
    try:
        return targets_of(secrets().get(SECRET))
    except SecretUnusable:
        return [BrokenTarget("the secret is not a JSON object")]
    except SecretMissing:
        return []


def publish(subject: str, text: str) -> None:
    """Publish to the e-mail topic. Raises botocore's errors."""
    aws.sns().publish(TopicArn=environment().email_topic_arn, Subject=subject, Message=text)


def digest(day: date) -> Notice:
    """Return the digest of a day. The number of reads depends on the leads that need a person, and on no others."""
    from leadbridge.runtime.queues import queue_length
    from leadbridge.services.alerts import digest as digests
    from leadbridge.storage.queries.open_work import MAX_COUNTED, count_open_work
    from leadbridge.storage.queries.partner_state import PartnerStates
    from leadbridge.storage.statistics.daily_stats import DailyStats

    stats = DailyStats(open_table())
    windows = digests.cap_windows(settings().partners, day, settings().alerts.time_zone)
    states = PartnerStates(open_table()).load(settings().partners, {name: [*keys] for name, keys in windows.items()})
    figures = digests.DigestFigures(
        day=stats.between(day, day),
        week=stats.between(day - timedelta(days=digests.WEEK - 1), day),
        waiting=digests.waiting_texts(count_open_work(open_table()), MAX_COUNTED),
        dead_letters={
            name: queue_length(url, with_in_flight=True) for name, url in environment().dead_letter_queues.items()
        },
        full_caps=digests.full_caps(windows, {name: state.counts for name, state in states.items()}),
        paused=sorted(name for name, state in states.items() if state.pause is not None),
    )
    return digests.digest_notice(day, figures, settings().alerts, environment().powertools_metrics_namespace)


warm_up(environment, aws.sqs, secrets, sender)
