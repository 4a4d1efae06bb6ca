"""What an operator asks when nothing goes wrong any more: each of the routes once, and each must answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from leadbridge.domain.delivery import Delivery, State
from quality.chaos.counters import Tally
from quality.chaos.reconciliation import Books, File
from quality.testkit.wiring import queues

LEAD, DELIVERY = "/leads/{lead_id}", "/leads/{lead_id}/deliveries/{partner}"
CHECK, RETRY, RESOLVE = f"{DELIVERY}/check", f"{DELIVERY}/retry", f"{DELIVERY}/resolve"
REDRIVE, DISCARD = "/dead-letters/{queue}/redrive", "/dead-letters/{queue}/discard"
QUEUES = tuple(queues())
RETRIED = frozenset({State.FAILED, State.REJECTED, State.DUPLICATE})
NOBODYS = "a-letter-that-is-not-there"


@dataclass(frozen=True)
class Question:
    """One call of an operator's, and the statuses that it may be answered with, when nobody disturbs it."""

    method: str
    resource: str
    expected: frozenset[int]
    body: dict[str, Any] | None = None
    place: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The route, as its documentation has it."""
        return f"{self.method} {self.resource}"


type Truth = Callable[[Delivery], dict[str, Any]]


def questions(books: Books, random: Random, truth: Truth) -> Iterator[Question]:
    """Every route of an operator's, about leads by chance, and about a delivery in each state that there is.

    `truth` is what a partner says it has of a delivery. The erasure comes first, while nothing moves.
    """
    files = sorted(books.files)
    if files:
        erased = files.pop(random.randrange(len(files)))
        yield Question("DELETE", LEAD, frozenset({204}), place={"lead_id": erased})
    for path in ("/leads", "/partners", "/stats", "/sync", "/dead-letters"):
        yield Question("GET", path, frozenset({200}))
    for queue in QUEUES:
        yield Question("POST", DISCARD, frozenset({200}), {"dead_letter_id": NOBODYS}, {"queue": queue})
        yield Question("POST", REDRIVE, frozenset({200}), {}, {"queue": queue})
    for lead_id in random.sample(files, min(2, len(files))):
        yield from _about(lead_id, books.files[lead_id])
    for state in State:
        deliveries = [
            one for lead_id in files for one in books.files[lead_id].deliveries.values() if one.state is state
        ]
        if deliveries:
            yield from _of(random.choice(deliveries), truth)


def hear(question: Question, status: int, tally: Tally) -> None:
    """Note an answer, and what is wrong with it."""
    tally.add("operator's questions in calm")
    if status not in question.expected:
        wanted = ", ".join(map(str, sorted(question.expected)))
        tally.fail(question.name, f"was answered {status} in calm, and should be {wanted}")


def _about(lead_id: str, file: File) -> Iterator[Question]:
    place, is_erased = {"lead_id": lead_id}, file.lead.erased_at is not None
    yield Question("GET", LEAD, frozenset({200}), place=place)
    yield Question("POST", f"{LEAD}/reveal", frozenset({409 if is_erased else 200}), place=place)
    text = {"lead_id": lead_id, "text": f"Лист у тиші {lead_id}"}
    yield Question("POST", "/messages", frozenset({409 if is_erased else 202}), text)


def _of(delivery: Delivery, truth: Truth) -> Iterator[Question]:
    place = {"lead_id": delivery.lead_id, "partner": delivery.partner}
    is_followed = delivery.state is State.SUBMITTED and not delivery.is_erased
    yield Question("POST", CHECK, frozenset({202 if is_followed else 409}), place=place)
    if delivery.state is State.UNKNOWN and not delivery.is_erased:
        yield Question("POST", RETRY, frozenset({409}), {}, place)  # nobody confirms that it may arrive twice
        yield Question("POST", RESOLVE, frozenset({200, 409}), truth(delivery), place)
    elif delivery.is_erased or delivery.state not in RETRIED:
        yield Question("POST", RETRY, frozenset({409}), {}, place)
        body = {"outcome": "not_created", "expected_state": "unknown"}
        yield Question("POST", RESOLVE, frozenset({409}), body, place)
    else:  # 409 where the partner would not take the lead, or has its person from elsewhere
        yield Question("POST", RETRY, frozenset({202, 409}), {}, place)
