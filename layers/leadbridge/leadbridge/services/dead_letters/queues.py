"""List, redrive and discard dead letters.

Most are notes of our own, `{"lead_id", "step", "reason", "reason_code"}`: the delivery, message or fetch that they name
is put back.
One with the step `record_answer` carries a partner's answer that the table did not take: the answer is written down.
Others are messages that no worker could process, or that a service could not deliver: they go to the queue that they
were sent to.

A letter leaves its queue when it was put back, or when it is obsolete because what it names has another state by now.
One that cannot be put back is kept. The response names the obsolete and the kept letters, each with a code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo, parse_error_code
from leadbridge.runtime.aws_errors import call_with_retries
from leadbridge.services.dead_letters.record_answer import DeadLetterKept, DeadLetterObsolete, ObsoleteReason
from leadbridge.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_RECEIVES = 10  # receives, of ten messages each, that one look into a queue may cost
VISIBILITY_SECONDS = 30  # for which a letter is hidden from others while it is put back
MAX_ID = 512  # characters of an id in an answer
MAX_ERROR = 1024  # characters of an answer's error
MAX_ATTEMPTS = 1_000_000  # a letter that names a higher attempt is not one of ours
REPLACED = frozenset({"publish", "schedule"})  # steps whose work the sweep or the next run does
UNREADABLE = ErrorInfo(ErrorCode.DEAD_LETTER_INVALID, "the message is not one of ours")
WORKER_FAILED = ErrorInfo(ErrorCode.WORKER_FAILED, "its worker failed each time it came; see the logs")
STREAM_FAILED = ErrorInfo(ErrorCode.STREAM_FAILED, "changes were not announced; what waits is announced again")
SCHEDULE_FAILED = ErrorInfo(ErrorCode.SCHEDULE_FAILED, "a scheduled run failed; the next one takes its place")
OUTCOMES = frozenset({"created", "rejected", "duplicate", "not_processed", "sent"})


@dataclass(frozen=True)
class DeadLetter:
    """One dead letter. `sent_at` is in Unix milliseconds.

    `lead_id`, `partner` and `message_id` are None if the letter does not name them. `reason_code` is the code of the
    reason; None if the letter has none.
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

    `queues` are their URLs by name, `destinations` those of the queues that letters go back to. `redrive_note` puts
    back what one of our own notes names, and raises DeadLetterKept or DeadLetterObsolete. `note` adds to a lead's
    timeline what was done with a letter about it.
    """

    sqs: SQSClient
    queues: Mapping[str, str]
    destinations: Mapping[str, str]
    redrive_note: Callable[[DeadLetter], None]
    note: Callable[[DeadLetter, str], None]

    def all(self) -> list[DeadLetter]:
        """What is in the queues, oldest first; of long queues, some. Hides nothing from others."""
        found = [letter for queue in self.queues if self._waiting(queue) for letter in self._look(queue, hide=0)]
        return sorted(found, key=lambda letter: letter.sent_at)

    def redrive(self, queue: str, dead_letter_id: str | None = None) -> RedriveResult:
        """Redrive one dead letter of a queue, or up to a hundred. Safe to repeat.

        A letter is deleted after what it asks for has been done. Raises UnknownQueue.
        """
        done = RedriveResult()

        def put_back(letter: DeadLetter) -> bool:
            try:
                self._put_back(letter)
            except DeadLetterKept as kept:
                done.kept[letter.dead_letter_id] = kept.info.code
                return False
            except DeadLetterObsolete as obsolete:
                done.obsolete[letter.dead_letter_id] = obsolete.reason
            else:
                done.redriven += 1
            return True

        self._take(queue, dead_letter_id, put_back)
        return done

    def discard(self, queue: str, dead_letter_id: str) -> int:
        """Throw one letter away. Raises UnknownQueue."""
        return self._take(queue, dead_letter_id, self._throw_away)

    def _take(self, queue: str, dead_letter_id: str | None, do: Callable[[DeadLetter], bool]) -> int:
        if queue not in self.queues:
            raise UnknownQueue(queue)
        taken, url, left = 0, self.queues[queue], list[DeadLetter]()
        try:
            for letter in self._look(queue, hide=VISIBILITY_SECONDS):
                is_meant = dead_letter_id is None or letter.dead_letter_id == dead_letter_id
                if is_meant and do(letter):
                    self.sqs.delete_message(QueueUrl=url, ReceiptHandle=letter.receipt)
                    taken += 1
                else:
                    left.append(letter)
                if dead_letter_id is not None and is_meant:
                    break
        finally:  # hidden until now, so that they do not come in place of those behind them
            for letter in left:
                self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=letter.receipt, VisibilityTimeout=0)
        return taken

    def _throw_away(self, letter: DeadLetter) -> bool:
        self.note(letter, "dead_letter_discarded")
        return True

    def _put_back(self, letter: DeadLetter) -> None:
        """Do what a letter asks for. Raises DeadLetterKept, DeadLetterObsolete."""
        if letter.destination is not None:
            queue_url, body = self.destinations[letter.destination], letter.body
            call_with_retries(lambda: self.sqs.send_message(QueueUrl=queue_url, MessageBody=body))
            self.note(letter, "dead_letter_redriven")
        elif letter.step in REPLACED:
            raise DeadLetterObsolete(ObsoleteReason.REPLACED)
        elif letter.lead_id is None:
            raise DeadLetterKept(ErrorCode.DEAD_LETTER_INVALID, "the letter names no lead")
        else:
            self.redrive_note(letter)

    def _waiting(self, queue: str) -> bool:
        found = self.sqs.get_queue_attributes(
            QueueUrl=self.queues[queue],
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )["Attributes"]
        return any(int(number) for number in found.values())

    def _look(self, queue: str, *, hide: int) -> Iterator[DeadLetter]:
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
    """Read and explain a message of a dead-letter queue."""
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
        return DeadLetter(**basics, step="read", **_because(UNREADABLE))
    detail = content.get("detail")
    about = detail if isinstance(detail, dict) else content
    basics |= {"lead_id": _text(about, "lead_id") or _text(about, "owner"), "partner": _text(about, "partner")}
    basics |= {"message_id": _text(about, "message_id")}
    if "step" in content and "reason" in content:
        basics |= {"answer": _answer(content.get("answer")), "attempt": _attempt(content.get("attempt"))}
        basics |= {"reason_code": parse_error_code(content.get("reason_code"))}
        basics |= {"reason_data": _error_data(content.get("reason_data"))}
        return DeadLetter(**basics, step=str(content["step"]), reason=str(content["reason"]))
    why = message.get("MessageAttributes", {}).get("ERROR_MESSAGE", {}).get("StringValue")
    failed = _because(WORKER_FAILED)
    if why:
        failed = _because(ErrorInfo(ErrorCode.RULE_FAILED, f"the bus could not hand it on: {why}"))
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
    if queue == "checks":
        return DeadLetter(**basics, step="check", **failed, destination="checks")
    if "DDBStreamBatchInfo" in content:
        return DeadLetter(**basics, step="publish", **_because(STREAM_FAILED))
    return DeadLetter(**basics, step="schedule", **_because(SCHEDULE_FAILED))


def _because(error: ErrorInfo) -> dict[str, Any]:
    return {"reason": error.text, "reason_code": error.code, "reason_data": error.data}


def _answer(value: object) -> dict[str, Any] | None:
    """A partner's answer, if it is one: the id of what was created, or an outcome; an error may come with it."""
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
    """The data of an error: texts, whole numbers, lists of texts; nothing if it is anything else, or too long."""
    if not isinstance(value, dict) or len(json.dumps(value)) > MAX_ERROR:
        return {}
    kept = {name: one for name, one in value.items() if isinstance(one, str | int)}
    lists = {name: one for name, one in value.items() if isinstance(one, list) and all(isinstance(x, str) for x in one)}
    return {**kept, **lists}


def _attempt(value: object) -> int | None:
    return value if type(value) is int and 0 < value <= MAX_ATTEMPTS else None


def _text(content: dict[str, Any], name: str) -> str | None:
    value = content.get(name)
    return value if isinstance(value, str) else None
