"""What the operators of these tests find: leads in every state, dead letters, each as its flow would leave it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any, Self

from playwright.sync_api import Page

from leadbridge.domain import delivery as steps
from leadbridge.domain import operator_steps
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import Lead, Loan, Person, Trading, lead_id_of
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import WORKER_DIED
from leadbridge.settings import settings
from leadbridge.storage import items
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import Journey, LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.browser.gateway import Gateway
from quality.testkit.fakes.registers import Knows
from quality.testkit.fixtures import TABLE
from quality.testkit.people import asked, lead

KEY = "an index key of the tests alone"
TOKENS = {"olena": "token-of-olena", "bohdan": "token-of-bohdan"}
NAMES = (
    *("Прикладенко Олена Іванівна", "Зразковий Андрій Петрович", "Вигадана Марія Степанівна"),
    *("Небутний Тарас Олегович", "Ніякенко Софія Романівна", "Уявний Богдан Ігорович"),
)
LEASE = timedelta(minutes=1)
ERRORS = {
    State.FAILED: ErrorInfo(ErrorCode.PASSWORD_WRONG, "the password is wrong"),
    State.UNKNOWN: ErrorInfo(ErrorCode.REPLY_LOST, "no answer came back (ReadTimeout)"),
    State.REJECTED: ErrorInfo(ErrorCode.REJECTED, "the partner refused it (HTTP 400)"),
    State.DUPLICATE: ErrorInfo(ErrorCode.DUPLICATE, "the partner has it already"),
}


@dataclass
class Lender:
    """A partner that accepts every lead and remembers it."""

    created: list[Lead] = field(default_factory=list)
    seconds_per_submission: float = 10.0
    seconds_per_create: float = 5.0

    def authorize(self, budget: Budget) -> Self:
        """Authorize each time."""
        return self

    def create(self, submitted: Lead, budget: Budget) -> int:
        """Create a deal."""
        self.created.append(submitted)
        return 24


@dataclass
class World:
    """The table, the gateway, the queues by name, and the partner that is asked about what operators enter."""

    store: LeadRepository
    gateway: Gateway
    dead: dict[str, str]
    alive: dict[str, str]
    partner: Knows
    deals: Iterator[int] = field(default_factory=lambda: count(24))

    def add(
        self,
        number: int,
        state: State = State.RECEIVED,
        *,
        partner: str = "leadleader",
        source: str = "web",
        age: timedelta = timedelta(minutes=5),
        error: ErrorInfo | None = None,
        trading: dict[str, Any] | None = None,
        ids: dict[str, str] | None = None,
        **person: Any,
    ) -> Lead:
        """A lead, so old, whose one delivery is in a state."""
        given = {"full_name": NAMES[number % len(NAMES)], "phone": f"+380500{number:06d}", **person}
        one = lead(number, source=source, received_at=utc_now() - age, **given)
        changes: dict[str, Any] = {"partners": (partner,), "ids": ids or {}}
        if trading:
            changes["trading"] = Trading.model_construct(**trading)
        one = one.model_copy(update=changes)
        self.store.accept(one, phone_hash=keyed_hash(KEY, one.person.phone or ""))
        self.bring(one, state, error)
        return one

    def add_incomplete(
        self,
        number: int,
        *problems: tuple[str, FieldCode],
        source: str = "tilda-credit",
        answers: dict[str, str] | None = None,
        newer_answers: dict[str, str] | None = None,
        age: timedelta = timedelta(minutes=5),
    ) -> Lead:
        """A lead that no partner can take: each field with a problem is empty."""
        values = asked(full_name=NAMES[number % len(NAMES)], phone=f"+380500{number:06d}")
        for path, _ in problems:
            section, _, name = path.partition(".")
            values[section].pop(name)
        one = lead(number, source=source, received_at=utc_now() - age).model_copy(
            update={
                "partners": (),
                "person": Person(**values["person"]),
                "loan": Loan(**values["loan"]),
                "problems": tuple(FieldError(path, code) for path, code in problems),
                "answers": answers or {},
                "newer_answers": newer_answers or {},
            }
        )
        phone = one.person.phone
        self.store.accept(one, phone_hash=keyed_hash(KEY, phone) if phone else None)
        return one

    def bring(self, one: Lead, state: State, error: ErrorInfo | None = None) -> None:
        """Bring a lead's delivery into a state, as its flow would."""
        before, now = self.delivery(one), one.received_at + timedelta(seconds=2)
        if state is State.RECEIVED:
            return
        if state is State.FAILED:
            self.store.apply(steps.fail(before, now, error or ERRORS[State.FAILED]))
            return
        begun = self.store.apply(steps.start_attempt(before, now, LEASE))
        later = now + timedelta(seconds=1)
        match state:
            case State.UNKNOWN:
                self.store.apply(steps.mark_unknown(begun, later, error or ERRORS[State.UNKNOWN]))
            case State.REJECTED:
                self.store.apply(steps.reject(begun, later, error or ERRORS[State.REJECTED]))
            case State.DUPLICATE:
                self.store.apply(steps.mark_duplicate(begun, later, error or ERRORS[State.DUPLICATE]))
            case State.SUBMITTED | State.CLOSED:
                deal = next(self.deals)
                created = deal if before.partner == "leadleader" else f"3f6e0a52-account-{deal}"
                after = self.store.apply(steps.confirm(begun, later, created, is_followed=True))
                final = state is State.CLOSED
                status, outcome = ("Видано", "issued") if final else ("В обробці", "in_progress")
                self.store.apply(
                    change_status(after, later + LEASE, status, outcome=outcome, final=final, is_followed=True)
                )

    def submit(self, one: Lead, partner: str = "leadleader") -> Lender:
        """Submit a lead's waiting delivery, as the worker does. Returns the partner with what it got."""
        lender = Lender()
        submitter = Submitter(
            ledger=self.store,
            partner=lender,
            settings=settings().partners[partner],
            clock=utc_now,
            dead_letter=lambda *_: None,
        )
        submitter.process(one.lead_id, partner, Budget(deadline=90.0, monotonic=lambda: 0.0))
        return lender

    def retry(self, one: Lead) -> None:
        """Retry a lead's delivery, as another operator, and begin to submit it."""
        waiting = self.store.apply(
            operator_steps.retry_by_operator(self.delivery(one), utc_now(), "bohdan", is_confirmed=False)
        )
        self.store.apply(steps.start_attempt(waiting, utc_now(), LEASE))

    def erase(self, one: Lead) -> None:
        """Erase a lead's person, as another operator."""
        Eraser(Table(aws.dynamodb(), TABLE)).erase(one.lead_id, "bohdan", utc_now())

    def delivery(self, one: Lead) -> Delivery:
        """A lead's first delivery as it is now."""
        found = self.store.delivery(one.lead_id, one.partners[0])
        assert found is not None
        return found

    def journey(self, one: Lead) -> Journey:
        """All that is known of a lead now."""
        found = self.store.journey(one.lead_id)
        assert found is not None
        return found

    def note_of(self, one: Lead) -> dict[str, Any]:
        """What a worker leaves in a dead-letter queue when it gives a delivery up."""
        return {
            "lead_id": one.lead_id,
            "partner": one.partners[0],
            "step": "submit",
            "reason": self.delivery(one).last_error,
            "reason_code": self.delivery(one).last_error_code,
        }

    def bury(self, name: str, content: object) -> None:
        """Put a message into a dead-letter queue."""
        aws.sqs().send_message(QueueUrl=self.dead[name], MessageBody=json.dumps(content))

    def waiting(self, url: str) -> list[Any]:
        """What is in a queue."""
        found = aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]

    def flood(self, count: int) -> None:
        """Many leads, a second apart, written past the store: only how many there are matters."""
        began = utc_now() - timedelta(seconds=count)
        requests: list[Any] = []
        people = [lead(full_name=name) for name in NAMES]
        for number in range(count):
            at = began + timedelta(seconds=number)
            changes = {"lead_id": lead_id_of("web", f"id:{number + 100_000}"), "received_at": at}
            one = people[number % len(people)].model_copy(update=changes)
            delivery = steps.new_delivery(one.lead_id, "leadleader", one.source, at)
            requests += [items.lead_item(one, phone_hash=None), items.delivery_item(delivery)]
        for start in range(0, len(requests), 25):
            some: list[Any] = [{"PutRequest": {"Item": items.encode(item)}} for item in requests[start : start + 25]]
            aws.dynamodb().batch_write_item(RequestItems={TABLE: some})


def busy(world: World) -> dict[str, Lead]:
    """A stack as it might be on a working day, by what is worth knowing of each lead."""
    hours = timedelta(hours=1)
    for number in range(40):
        state = (State.CLOSED, State.SUBMITTED, State.CLOSED, State.REJECTED, State.DUPLICATE)[number % 5]
        source = ("web", "web", "tilda-credit", "meta-credit", "typeform-credit")[number % 5]
        world.add(number + 10, state, source=source, age=hours * (3 + number * number % 480))
    found = {
        "unknown": world.add(1, State.UNKNOWN, age=timedelta(minutes=42), phone="+380671234509"),
        "unknown_account": world.add(
            2,
            State.UNKNOWN,
            partner="matchtrade",
            source="web-trading",
            error=WORKER_DIED,
        ),
        "failed": world.add(3, State.FAILED, age=2 * hours),
        "submitted": world.add(4, State.SUBMITTED, age=5 * hours),
        "waiting": world.add(5, State.RECEIVED, age=timedelta(minutes=1)),
    }
    problems = (("person.phone", FieldCode.NOT_A_PHONE), ("loan.amount", FieldCode.REQUIRED))
    found["incomplete"] = world.add_incomplete(7, *problems, answers={"Телефон": "дзвоніть увечері"})
    world.add(6, State.CLOSED, source="google-credit", age=timedelta(days=3))
    world.bury("submit-leadleader", world.note_of(found["failed"]))
    world.bury("checks", {"lead_id": found["submitted"].lead_id, "partner": "leadleader"})
    world.bury("events", {"DDBStreamBatchInfo": {}})
    return found


Open = Callable[..., Page]
