"""List, redrive and discard dead letters.

Most are written by our workers, `{"lead_id", "step", "reason", "reason_code"}`: a redrive retries the delivery,
message, fetch or postback that they name. One with the step `record_answer` contains a partner's answer that could not
be stored: a redrive stores it. Others are messages that a worker could not process or that AWS could not deliver: a
redrive sends them to their queue again.

A dead letter leaves its queue after it was redriven, or if it is obsolete because the item that it names has another
state. One that cannot be redriven is kept. The response lists the obsolete and the kept ones, each with a code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, parse_error_code
from leadbridge.runtime.aws_errors import call_with_retries
from leadbridge.services.checks.batch import CheckBatch
from leadbridge.services.dead_letters.record_answer import DeadLetterKept, DeadLetterObsolete, ObsoleteReason
from leadbridge.services.dead_letters.relevance import Relevance, find_relevance, find_superseded
from leadbridge.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

    from leadbridge.domain.inbox.subject import LetterSubject

MAX_RECEIVES = 10  # receive calls, of ten messages each, for one pass over a queue
VISIBILITY_SECONDS = 30  # for which a dead letter is hidden from others during a redrive
MAX_ID = 512  # characters of an id in an answer
MAX_ERROR = 1024  # characters of an answer's error
MAX_ATTEMPTS = 1_000_000  # a dead letter with a higher attempt is not one of ours
REPLACED = frozenset({"publish", "count", "schedule"})  # steps whose work the sweep or the next run does
STEPS = {"checks": "check", "messages": "send", "fetch": "fetch", "feedback": "feedback"}  # by queue, of the sweep
UNREADABLE = ErrorInfo(ErrorCode.DEAD_LETTER_INVALID, "the message is not one of ours")
WORKER_FAILED = ErrorInfo(ErrorCode.WORKER_FAILED, "the worker failed each time; see the logs")
STREAM_FAILED = ErrorInfo(ErrorCode.STREAM_FAILED, "changes were not published; the sweep queues the items that wait")
STATS_FAILED = ErrorInfo(ErrorCode.STREAM_FAILED, "changes were not counted; the nightly comparison counts them")
SCHEDULE_FAILED = ErrorInfo(ErrorCode.SCHEDULE_FAILED, "a scheduled run failed; the next run does its work")
OUTCOMES = frozenset({"created", "rejected", "duplicate", "not_processed", "sent"})


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter. `sent_at` is in Unix milliseconds.

    `lead_id`, `partner`, `message_id` and `event_id` are None if the body does not have them. `lead_ids` are the leads
    of a batch of status checks; a batch of one has a `lead_id` as well. `reason_code` is the code of the reason; None
    if there is none.
    """

    queue: str
    dead_letter_id: str
    sent_at: int
    step: str
    reason: str
    lead_id: str | None = None
    partner: str | None = None
    message_id: str | None = None
    destination: str | None = None
    answer: Mapping[str, Any] | None = None
    attempt: int | None = None
    reason_code: ErrorCode | None = None
    reason_data: Mapping[str, Any] = field(default_factory=dict)
    body: str = ""
    receipt: str = ""
    lead_ids: tuple[str, ...] = ()
    event_id: str | None = None


@dataclass(frozen=True)
class CurrentLetter:
    """A dead letter that needs a person. `is_shown`: the state of its delivery or fetch shows the trouble as well."""

    letter: DeadLetter
    is_shown: bool


class UnknownQueue(LookupError):
    """There is no dead-letter queue of this name."""


@dataclass
class RedriveResult:
    """The result of a redrive: the number of redriven dead letters; ids and reasons of the kept and obsolete ones."""

    redriven: int = 0
    kept: dict[str, ErrorCode] = field(default_factory=dict)
    obsolete: dict[str, ObsoleteReason] = field(default_factory=dict)


@dataclass(frozen=True)
class DeadLetters:
    """The dead-letter queues of this stack.

    `queues` are their URLs by name, `destinations` those of the queues that messages return to. `redrive_note`
    retries the item that one of our own dead letters names; it raises DeadLetterKept or DeadLetterObsolete. `note` adds
    an entry to the lead's timeline. `load_subjects` returns the items that dead letters name.
    """

    sqs: SQSClient
    queues: Mapping[str, str]
    destinations: Mapping[str, str]
    redrive_note: Callable[[DeadLetter], None]
    note: Callable[[DeadLetter, str], None]
    load_subjects: Callable[[Sequence[DeadLetter]], Sequence[LetterSubject]]

    def current(self) -> list[CurrentLetter]:
        """Return the dead letters that need a person, oldest first; of a long queue only some.

        Those whose lead has moved on are deleted; those of items that are tried again stay in their queue. Others can
        receive the dead letters meanwhile.
        """
        found = [
            dead_letter for queue in self.queues if self._waiting(queue) for dead_letter in self._receive(queue, hide=0)
        ]
        current, superseded = [], find_superseded(found)
        for dead_letter, subject in zip(found, self.load_subjects(found), strict=True):
            relevance = find_relevance(dead_letter, subject)
            if relevance is Relevance.OBSOLETE or dead_letter.dead_letter_id in superseded:
                self._delete(dead_letter)
            elif relevance is not Relevance.RETRIED:
                current.append(CurrentLetter(dead_letter, is_shown=relevance is Relevance.SHOWN))
        return sorted(current, key=lambda one: one.letter.sent_at)

    def redrive(self, queue: str, only: Collection[str] | None = None) -> RedriveResult:
        """Redrive the dead letters of a queue with these ids, or up to a hundred. Safe to repeat.

        A dead letter is deleted after it was redriven. Raises UnknownQueue.
        """
        done = RedriveResult()

        def redrive_one(dead_letter: DeadLetter) -> bool:
            try:
                self._redrive(dead_letter)
            except DeadLetterKept as kept:
                done.kept[dead_letter.dead_letter_id] = kept.info.code
                return False
            except DeadLetterObsolete as obsolete:
                done.obsolete[dead_letter.dead_letter_id] = obsolete.reason
            else:
                done.redriven += 1
            return True

        self._take(queue, only, redrive_one)
        return done

    def discard(self, queue: str, dead_letter_id: str) -> int:
        """Delete one dead letter. Raises UnknownQueue."""
        return self._take(queue, {dead_letter_id}, self._discard)

    def _take(self, queue: str, only: Collection[str] | None, do: Callable[[DeadLetter], bool]) -> int:
        if queue not in self.queues:
            raise UnknownQueue(queue)
        taken, url, left, missing = 0, self.queues[queue], list[DeadLetter](), set(only or ())
        try:
            for dead_letter in self._receive(queue, hide=VISIBILITY_SECONDS):
                is_meant = only is None or dead_letter.dead_letter_id in missing
                missing.discard(dead_letter.dead_letter_id)
                if is_meant and do(dead_letter):
                    self._delete(dead_letter)
                    taken += 1
                else:
                    left.append(dead_letter)
                if only is not None and not missing:
                    break
        finally:  # they were hidden so that the pass reached those behind them
            for dead_letter in left:
                self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=dead_letter.receipt, VisibilityTimeout=0)
        return taken

    def _delete(self, dead_letter: DeadLetter) -> None:
        self.sqs.delete_message(QueueUrl=self.queues[dead_letter.queue], ReceiptHandle=dead_letter.receipt)

    def _discard(self, dead_letter: DeadLetter) -> bool:
        self.note(dead_letter, "dead_letter_discarded")
        return True

    def _redrive(self, dead_letter: DeadLetter) -> None:
        """Redrive one. Raises DeadLetterKept, DeadLetterObsolete."""
        if dead_letter.destination is not None:
            queue_url, body = self.destinations[dead_letter.destination], dead_letter.body
            call_with_retries(lambda: self.sqs.send_message(QueueUrl=queue_url, MessageBody=body))
            self.note(dead_letter, "dead_letter_redriven")
        elif dead_letter.step in REPLACED:
            raise DeadLetterObsolete(ObsoleteReason.REPLACED)
        elif dead_letter.lead_id is None:
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the dead letter names no lead")
        else:
            self.redrive_note(dead_letter)

    def _waiting(self, queue: str) -> bool:
        found = self.sqs.get_queue_attributes(
            QueueUrl=self.queues[queue],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return any(int(number) for number in found.values())

    def _receive(self, queue: str, *, hide: int) -> Iterator[DeadLetter]:
        seen: set[str] = set()
        for _ in range(MAX_RECEIVES):
            messages = self.sqs.receive_message(
                QueueUrl=self.queues[queue],
                MaxNumberOfMessages=10,
                VisibilityTimeout=hide,
                WaitTimeSeconds=1,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            fresh = [message for message in messages if message["MessageId"] not in seen]
            seen |= {message["MessageId"] for message in fresh}
            for message in fresh:
                yield parse_dead_letter(queue, message)
            if not fresh:
                return


def parse_dead_letter(queue: str, message: Any) -> DeadLetter:
    """Parse a message of a dead-letter queue."""
    body = message["Body"]
    basics = {
        "queue": queue,
        "dead_letter_id": message["MessageId"],
        "sent_at": int(message["Attributes"]["SentTimestamp"]),
        "body": body,
        "receipt": message["ReceiptHandle"],
    }
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        return DeadLetter(**basics, step="read", **_reason_of(UNREADABLE))
    detail = content.get("detail")
    about = detail if isinstance(detail, dict) else content
    basics |= {"lead_id": _text(about, "lead_id") or _text(about, "owner"), "partner": _text(about, "partner")}
    basics |= {"message_id": _text(about, "message_id"), "event_id": _text(about, "event_id")}
    if lead_ids := _batch(content):
        basics |= {"lead_ids": lead_ids, "lead_id": lead_ids[0] if len(lead_ids) == 1 else None}
    if "step" in content and "reason" in content:
        basics |= {"answer": _answer(content.get("answer")), "attempt": _attempt(content.get("attempt"))}
        basics |= {"reason_code": parse_error_code(content.get("reason_code"))}
        basics |= {"reason_data": _error_data(content.get("reason_data"))}
        return DeadLetter(**basics, step=str(content["step"]), reason=str(content["reason"]))
    why = message.get("MessageAttributes", {}).get("ERROR_MESSAGE", {}).get("StringValue")
    failed = _reason_of(WORKER_FAILED)
    if why:
        failed = _reason_of(ErrorInfo(ErrorCode.RULE_FAILED, f"the event bus could not deliver it: {why}"))
    match content.get("detail-type"):
        case "DeliveryChanged":
            partner = settings().partners.get(basics["partner"] or "")
            return DeadLetter(
                **basics, step="submit", **failed, destination=None if partner is None else f"submit-{partner.kind}"
            )
        case "MessageChanged":
            return DeadLetter(**basics, step="send", **failed, destination="messages")
        case "FetchChanged":
            return DeadLetter(**basics, step="fetch", **failed, destination="fetch")
        case "PostbackChanged":
            return DeadLetter(**basics, step="feedback", **failed, destination="feedback")
    if queue in STEPS:
        return DeadLetter(**basics, step=STEPS[queue], **failed, destination=queue)
    if "DDBStreamBatchInfo" in content:
        if "-update-stats" in str(content.get("requestContext", {}).get("functionArn")):
            return DeadLetter(**basics, step="count", **_reason_of(STATS_FAILED))
        return DeadLetter(**basics, step="publish", **_reason_of(STREAM_FAILED))
    return DeadLetter(**basics, step="schedule", **_reason_of(SCHEDULE_FAILED))


def _reason_of(error: ErrorInfo) -> dict[str, Any]:
    return {"reason": error.text, "reason_code": error.code, "reason_data": error.data}


def _answer(value: object) -> dict[str, Any] | None:
    """Return a partner's answer: the id of what was created, or an outcome with an error; None for anything else."""
    if not isinstance(value, dict):
        return None
    error = _text(value, "error")
    about: dict[str, Any] = {} if error is None else {"error": error[:MAX_ERROR]}
    about |= {"error_code": code.value} if (code := parse_error_code(value.get("error_code"))) else {}
    about |= {"error_data": data} if (data := _error_data(value.get("error_data"))) else {}
    match {name: one for name, one in value.items() if name not in {"error", "error_code", "error_data"}}:
        case {"deal_id": int(number), **rest} if not rest and type(number) is int and 0 < number < 10**18:
            return {"deal_id": number}
        case {"account_uuid": str(uuid), **rest} if not rest and 0 < len(uuid) <= MAX_ID:
            return {"account_uuid": uuid}
        case {"outcome": str(outcome), **rest} if not rest and outcome in OUTCOMES:
            return {"outcome": outcome, **about}
    return None


def _error_data(value: object) -> dict[str, Any]:
    """Return the texts, whole numbers and lists of texts in the data of an error; empty if it is too long."""
    if not isinstance(value, dict) or len(json.dumps(value)) > MAX_ERROR:
        return {}
    kept = {name: one for name, one in value.items() if isinstance(one, str | int)}
    lists = {name: one for name, one in value.items() if isinstance(one, list) and all(isinstance(x, str) for x in one)}
    return {**kept, **lists}


def _batch(content: dict[str, Any]) -> tuple[str, ...]:
    """Return the leads of a batch of status checks; empty for anything else."""
    try:
        return CheckBatch.of(content).lead_ids
    except (KeyError, TypeError, ValueError):
        return ()


def _attempt(value: object) -> int | None:
    return value if type(value) is int and 0 < value <= MAX_ATTEMPTS else None


def _text(content: dict[str, Any], name: str) -> str | None:
    value = content.get(name)
    return value if isinstance(value, str) else None
