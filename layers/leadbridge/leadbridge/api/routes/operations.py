"""How things stand, as operators ask it of the API: figures, dead letters, how far a broker's list has been read."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from typing import Any

from leadbridge.api.params import asked_in, bad_query, day_in, known_in, operator
from leadbridge.api.problems import Problem, Response, answer
from leadbridge.api.requests import DiscardRequest, RedriveRequest
from leadbridge.api.response_size import MAX_BYTES, first_that_fit, payload_bytes
from leadbridge.domain.accounts.scan import ScanState
from leadbridge.domain.clock import to_text, utc_now
from leadbridge.runtime import aws
from leadbridge.runtime.logs import count, logger
from leadbridge.services.dead_letters import DeadLetters
from leadbridge.services.redrive import Redriver
from leadbridge.settings import settings
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.queries.daily_stats import DailyStats, TooMuch
from leadbridge.storage.table import open_table

MOST_DAYS = timedelta(days=366)


def show_figures(event: dict[str, Any]) -> Response:
    """GET /stats?from=&to="""
    query = known_in(event.get("queryStringParameters") or {}, "from", "to")
    today = utc_now().date()
    last = day_in("to", query.get("to"), today)
    first = day_in("from", query.get("from"), last - timedelta(days=29))
    if not timedelta() <= last - first < MOST_DAYS:
        raise bad_query(f"from is a day before to, {MOST_DAYS.days} days at most.")
    try:
        figures = DailyStats(open_table()).between(first, last, today)
    except TooMuch:
        raise bad_query("There is too much to count. Ask for fewer days.") from None
    content = {"from": first.isoformat(), "to": last.isoformat(), **figures.shown()}
    if payload_bytes(content) > MAX_BYTES:
        raise bad_query("There is too much to show. Ask for fewer days.")
    return answer(200, content)


def list_letters(_: dict[str, Any]) -> Response:
    """GET /dead-letters"""
    found = [letter.shown() for letter in letters("").all()]
    kept = first_that_fit(found)
    left_out = len(found) - len(kept)
    return answer(200, {"letters": kept, **({"left_out": left_out} if left_out else {})})


def redrive_letters(event: dict[str, Any]) -> Response:
    """POST /dead-letters/{queue}/redrive"""
    asked = asked_in(event, RedriveRequest)
    queue = queue_in(event)
    done = letters(operator(event)).redrive(queue, asked.letter_id)
    count("LettersTaken", done.letters)
    count("LettersKept", len(done.kept))
    logger.info(
        "letters redriven",
        queue=queue,
        letters=done.letters,
        kept=len(done.kept),
        obsolete=len(done.obsolete),
        operator=operator(event),
    )
    return answer(200, done.shown())


def discard_letter(event: dict[str, Any]) -> Response:
    """POST /dead-letters/{queue}/discard"""
    asked = asked_in(event, DiscardRequest)
    queue = queue_in(event)
    number = letters(operator(event)).discard(queue, asked.letter_id)
    count("LettersTaken", number)
    logger.info("letters discarded", queue=queue, letters=number, operator=operator(event))
    return answer(200, {"letters": number})


def queue_in(event: dict[str, Any]) -> str:
    """The dead-letter queue that the path names. Raises Problem."""
    queue = str((event.get("pathParameters") or {}).get("queue") or "")
    if queue not in json.loads(os.environ["DEAD_LETTER_QUEUES"]):
        raise Problem(404, "unknown-queue", "Unknown queue", "There is no such dead-letter queue.")
    return queue


def letters(who: str) -> DeadLetters:
    """The dead letters of this stack, as an operator deals with them."""
    table = open_table()
    reviver = Redriver(
        LeadRepository(table),
        MessageRepository(table),
        FetchRepository(table),
        settings().partners,
        who,
        utc_now,
    )
    queues, destinations = (json.loads(os.environ[name]) for name in ("DEAD_LETTER_QUEUES", "QUEUES"))
    return DeadLetters(aws.sqs(), queues, destinations, reviver.redrive, reviver.note)


def show_sync(_: dict[str, Any]) -> Response:
    """GET /sync: by partner, how far its list has been read; null for one that was never read."""
    from leadbridge.storage.accounts import AccountRepository

    synced = [name for name, partner in settings().partners.items() if partner.sync is not None]
    states = {name: AccountRepository(open_table(), name, str).state() for name in synced}
    return answer(
        200, {"partners": {name: None if state is None else sync_shown(state) for name, state in states.items()}}
    )


def sync_shown(state: ScanState) -> dict[str, Any]:
    """A sync's state: nothing is missing before `watermark`; `passes` are under way, `progress` in percent."""
    return {
        "watermark": to_text(state.watermark),
        "whole_begun_at": to_text(state.whole_begun_at) if state.whole_begun_at else None,
        "whole_ended_at": to_text(state.whole_ended_at) if state.whole_ended_at else None,
        "passes": {kind.value: {"progress": round(100 * each.progress)} for kind, each in state.under_way.items()},
    }
