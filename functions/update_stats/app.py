"""Count the changes of leads in the statistics, and every night compare the statistics with the leads."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from leadbridge.runtime.warmup import warm_up
from leadbridge.domain.clock import utc_now
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.statistics.contribution import LeadChange
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.budget import Budget
from leadbridge.runtime.environment import DeadLetterEnvironment, SharedEnvironment, TableEnvironment
from leadbridge.runtime.logs import count, logger, metrics
from leadbridge.storage.statistics.counted import CountedLeads
from leadbridge.storage.statistics.counters import spread
from leadbridge.storage.statistics.form_fields import FormFieldBook
from leadbridge.storage.statistics.records import change_of
from leadbridge.storage.table import open_table

if TYPE_CHECKING:
    from leadbridge.storage.statistics.reconciliation import Reconciled

UNREADABLE = ErrorInfo(ErrorCode.RECORD_INVALID, "the stream's record cannot be parsed")
PAGE_TIME = 60.0  # seconds that comparing a page may take while AWS is busy


class Environment(SharedEnvironment, TableEnvironment, DeadLetterEnvironment):
    """The environment variables of this function."""


environment = lru_cache(Environment.from_env)


@lru_cache
def counted_leads() -> CountedLeads:
    """Make the statistics of this stack."""
    return CountedLeads(open_table())


@lru_cache
def form_fields() -> FormFieldBook:
    """Make the book of form fields of this stack."""
    return FormFieldBook(open_table())


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Process DynamoDB stream records, or compare if the schedule calls.

    Returns the first record to retry; Lambda also retries all records after it, which changes nothing if they are
    counted. A record that cannot be parsed, or whose lead cannot, goes to the dead-letter queue.
    """
    return update(event["Records"]) if "Records" in event else reconcile(context)


def update(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Count what records change. The records of a lead are counted as one change."""
    changes: dict[str, LeadChange] = {}
    owners: list[str | None] = []
    for record in records:
        try:
            found = change_of(record)
        except Exception:  # the outermost edge: a malformed record must not block the others
            count("RecordsUnreadable")
            logger.exception("a record cannot be parsed", keys=record["dynamodb"].get("Keys"))
            dead_letter(record)
            found = None
        owners.append(None if found is None else found[0])
        if found is not None:
            lead_id, change = found
            changes[lead_id] = changes[lead_id].merged(change) if lead_id in changes else change
    result = counted_leads().count(changes, utc_now(), shard=spread(len(records)))
    learn_fields(records)
    count("LeadsCounted", len(result.differences))
    for lead_id in sorted(result.unreadable):
        count("RecordsUnreadable")
        logger.error("a lead cannot be parsed, and was not counted", lead_id=lead_id)
        dead_letter(records[owners.index(lead_id)])
    if not result.failed:
        return {"batchItemFailures": []}
    logger.warning("not all leads were counted", leads=len(result.failed))
    first = next(number for number, lead_id in enumerate(owners) if lead_id in result.failed)
    return {"batchItemFailures": [{"itemIdentifier": records[first]["dynamodb"]["SequenceNumber"]}]}


def learn_fields(records: list[dict[str, Any]]) -> None:
    """Store which form fields arrive. If AWS is busy, the next lead of the source shows them again."""
    try:
        form_fields().learn(records)
    except Exception as error:
        if not is_transient(error):
            raise
        logger.warning("the fields of forms were not stored", exc_info=error)


def reconcile(context: Any) -> dict[str, Any]:
    """Compare the statistics with the leads, as far as there is time, and correct them.

    Reports what was corrected, also if an error ends the run. The next run continues.
    """
    from leadbridge.storage.statistics.reconciliation import Reconciled, Reconciler

    budget, done = Budget.of(context), Reconciled()
    try:
        Reconciler(open_table()).run(utc_now(), lambda: budget.allows(PAGE_TIME), done)
    finally:
        corrected = report(done)
    return {"compared": done.leads, "corrected": corrected, "is_done": done.is_done}


def report(done: Reconciled) -> int:
    """Log and count the result of a comparison; return the number of corrected leads."""
    corrected = done.corrections.total()
    count("StatsCorrected", corrected)
    if done.unreadable:
        count("RecordsUnreadable", len(done.unreadable))
        logger.error("leads cannot be parsed, and were not compared", lead_ids=done.unreadable)
    for day, differences in sorted(done.differences.items()):
        logger.warning("statistics corrected", day=day, leads=done.corrections[day], differences=differences)
    logger.info("compared", leads=done.leads, corrected=corrected, is_done=done.is_done)
    return corrected


def dead_letter(record: dict[str, Any]) -> None:
    """Send the keys of an item whose change was not counted to the dead-letter queue. No other data is sent."""
    from leadbridge.runtime.queues import send_dead_letter

    send_dead_letter({"keys": record["dynamodb"].get("Keys"), "step": "count", **UNREADABLE.dead_letter})


warm_up(environment, counted_leads, form_fields)
