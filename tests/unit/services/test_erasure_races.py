"""Every flow's every call to AWS meets the eraser, and the eraser's every call meets every flow.

A flow starts from a table that holds all that can be kept of a person. Three series, for each flow:

1. the whole erasure runs before the flow's call number k, for every k; then the flow goes on;
2. the eraser is killed before its call number j, for every j; then the flow runs, and the operator repeats the erasure;
3. the whole flow runs before the eraser's call number j, for every j; then the eraser goes on.

A flow that is in the middle while the eraser is in the middle is left out: everything the eraser writes about the lead
is one transaction, and everything else it writes are repeatable deletions, so that this meets nothing new.

After an erasure that succeeded, and again after a repeated one, nothing about the person is anywhere in the table and
nothing waits. What another person left is untouched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.api.resources import Resources
from leadbridge.domain import delivery as steps
from leadbridge.domain.delivery import Delivery
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.fetch import fail as fetch_failed
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.fields.hashes import hashes_of, keyed_hash
from leadbridge.domain.lead import Lead, Loan, Person
from leadbridge.domain.message import fail as message_failed
from leadbridge.domain.message import operator_message, status_notification
from leadbridge.domain.operator_steps import SubmissionInProgress, WrongState
from leadbridge.domain.recipient import Contact, Recipient
from leadbridge.domain.statuses.status_change import change_status
from leadbridge.domain.transitions import Conflict
from leadbridge.partners.matchtrade.rows import BrokerAccount as Row
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker
from leadbridge.services.correct_lead import Corrector, UnknownLead
from leadbridge.services.dead_letters.queues import DeadLetter
from leadbridge.services.dead_letters.record_answer import DeadLetterKept, DeadLetterObsolete
from leadbridge.services.dead_letters.redrive import Redriver
from leadbridge.services.fetch_lead import Fetcher
from leadbridge.services.reconcile_accounts import AccountReconciler, ReconcileCounts
from leadbridge.services.resolve_delivery import ConfirmedId
from leadbridge.services.send_message import Sender
from leadbridge.services.submission_rules import RepeatPolicy, fallback_finder
from leadbridge.services.submit_lead import Submitter
from leadbridge.settings import Settings
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.claims import ClaimRepository
from leadbridge.storage.corrections import CorrectionRepository
from leadbridge.storage.feedback.postbacks import PostbackRepository
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.leeloo_events import LeelooEvent, LeelooEventRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.blades import Killed
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, Time
from quality.testkit.people import NOW, asked
from quality.testkit.people import lead as other_lead
from quality.testkit.services import erasure_races as meetings
from quality.testkit.services.checks import check_one
from quality.testkit.services.erasure_races import Erasure, directed, everything
from quality.testkit.services.fetches import KEYS, LEAD_ID, Origin

NAME, PHONE, EMAIL, TAX = "Прикладенко Олена Іванівна", "+380500000001", "olena@example.com", "3068208400"
LENDER, BROKER = "leadleader", "matchtrade"
ACCOUNT_ID, FORMER_ID, TEXT = "64aa00000000000000000001", "64aa00000000000000000002", "Ваш договір готовий"
NEW_PHONE, ANSWER = "+380500000777", "подзвоніть мамі"
HASHED = {keyed_hash("k", value) for value in (PHONE, NEW_PHONE, EMAIL, TAX)}
PRIVATE = {
    NEW_PHONE[3:],
    ANSWER,
    NAME,
    "Прикладенко",
    PHONE[3:],
    EMAIL,
    "Olena@",
    TAX,
    ACCOUNT_ID,
    FORMER_ID,
    TEXT,
    *HASHED,
}
AMPLE = Budget(deadline=190.0, monotonic=lambda: 0.0)
MINUTE = timedelta(minutes=1)
BY_HAND = "2026-03-01T12:00:00.000Z#operator#" + LEAD_ID[-4:]  # the message that an operator wrote to the lead


def hashed(value: str) -> str:
    return keyed_hash("k", value)


@dataclass
class Partner:
    """A lender or a broker that takes what it gets, or answers with an error."""

    created: int | str = 17
    error: partner_errors.PartnerError | None = None
    known: Row | None = None
    seconds_per_submission: float = 1.0
    seconds_per_create: float = 1.0
    seconds_per_page: float = 1.0
    seconds_per_check: float = 1.0
    settles_lost_replies: bool = False
    is_concurrent: bool = False

    def authorize(self, budget: Budget) -> Partner:
        return self

    def create(self, lead: Lead, budget: Budget) -> int | str:
        if self.error is not None:
            raise self.error
        return self.created

    def find(self, email: str, budget: Budget) -> Row | None:
        return self.known

    def status(self, delivery: Delivery, budget: Budget) -> str:
        return "Погоджено"


@dataclass
class Messenger:
    """A messenger that finds or makes the person's account, and sends or refuses."""

    known: Recipient | None = None
    makes: Recipient | None = None
    error: partner_errors.PartnerError | None = None
    seconds_per_message: float = 1.0
    seconds_per_send: float = 1.0

    def find(self, person: Person, budget: Budget) -> Recipient | None:
        return self.known

    def make(self, person: Person, budget: Budget) -> Recipient | None:
        return self.makes

    def invite(self, person: Person, budget: Budget) -> bool:
        return False

    def send(self, account_id: str, content: object, budget: Budget) -> None:
        if self.error is not None:
            raise self.error

    def note(self, person_id: str, content: object, budget: Budget) -> None:
        return None


class Register:
    """A partner that knows each id that it is asked about."""

    def confirm(self, lead: Lead, created: int | str, budget: Budget) -> ConfirmedId:
        return ConfirmedId(created, "NEW_CONTACT")


@dataclass
class World:
    """One person, who is erased, and what the flows need."""

    time: Time
    settings: Settings
    app: ModuleType
    lead: Lead = field(
        default_factory=lambda: Lead(
            lead_id=LEAD_ID,
            source="web",
            received_at=NOW,
            partners=(LENDER, BROKER),
            fallbacks={LENDER: BROKER},
            person=Person(**asked()["person"]),
            loan=Loan(**asked()["loan"]),
        )
    )

    @property
    def store(self) -> LeadRepository:
        return LeadRepository(Table(aws.dynamodb(), TABLE))

    @property
    def outbox(self) -> MessageRepository:
        return MessageRepository(Table(aws.dynamodb(), TABLE))

    @property
    def arrivals(self) -> FetchRepository:
        return FetchRepository(Table(aws.dynamodb(), TABLE))

    @property
    def book(self) -> AccountRepository:
        return AccountRepository(Table(aws.dynamodb(), TABLE), BROKER, hashed)

    @property
    def inbox(self) -> LeelooEventRepository:
        return LeelooEventRepository(Table(aws.dynamodb(), TABLE), hashed, self.time)

    def accept(self, **more: Any) -> None:
        lead = self.lead.model_copy(update=more)
        self.store.accept(lead, **hashes_of(lead, hashed))

    def tell(self, **data: Any) -> None:
        content = {"type": "ORDER", "data": data}
        self.inbox.store(LeelooEvent.of(content, json.dumps(content).encode()))

    def delivery(self, partner: str = LENDER) -> Delivery:
        found = self.store.delivery(LEAD_ID, partner)
        assert found is not None
        return found

    def submitted(self, partner: str = LENDER, created: int | str | None = 17) -> Delivery:
        begun = self.store.apply(steps.start_attempt(self.delivery(partner), NOW, MINUTE))
        return self.store.apply(steps.confirm(begun, NOW, created, is_followed=True))

    def submitter(self, name: str, partner: Partner) -> Submitter:
        return Submitter(
            self.store,
            partner,
            self.settings.partners[name],
            self.time,
            lambda *_: None,
            accounts=partner if name == BROKER else None,
            repeats=RepeatPolicy(ClaimRepository(Table(aws.dynamodb(), TABLE)), self.settings),
            find_fallback=fallback_finder(self.settings),
        )

    def send(self, messenger: Messenger, owner: str = LEAD_ID) -> None:
        sender = self.sender(messenger)
        for message in self.outbox.messages(owner)[-1:]:
            sender.process(owner, message.message_id, AMPLE)

    def sender(self, messenger: Messenger) -> Sender:
        return Sender(self.store, self.outbox, messenger, self.settings.messages, self.time, lambda *_: None)

    def fetch(self, *failures: partner_errors.PartnerError) -> None:
        origin = Origin(failures=iter(failures))
        Fetcher(self.arrivals, lambda _: origin, self.settings, hashed, self.time, lambda *_: None).process(
            LEAD_ID, AMPLE
        )

    def take(self, *rows: Row) -> None:
        reconciler = AccountReconciler(
            BROKER, self.book, self.store, self.settings.partners[BROKER], self.time, with_crm_note=True
        )
        reconciler.reconcile(rows, NOW - timedelta(days=1), ReconcileCounts())

    def ask(self, method: str, resource: str, body: Any = None, partner: str = LENDER) -> int:
        event = {
            "httpMethod": method,
            "resource": resource,
            "pathParameters": {"lead_id": LEAD_ID, "partner": partner},
            "requestContext": {"authorizer": {"operator": "anna"}},
            "body": json.dumps(body or {}),
        }
        status: int = self.app.handler(event, Context())["statusCode"]
        assert status < 500
        return status

    def write_by_hand(self, owner: str, account_id: str | None = None) -> None:
        message = operator_message(
            owner, self.time(), owner[-4:], account_id=account_id, template_id=None, text=TEXT, variables={}
        )
        with suppress(Conflict):
            self.outbox.add(message)

    def correct(self) -> None:
        corrections = CorrectionRepository(Table(aws.dynamodb(), TABLE))
        corrector = Corrector(self.store, corrections, self.settings, hashed, self.time)
        with suppress(Conflict, SubmissionInProgress, WrongState, UnknownLead):
            corrector.correct(LEAD_ID, {"person": {"phone": NEW_PHONE}}, "anna")

    def redrive(self, **about: Any) -> None:
        sent_at = int((self.time() + MINUTE).timestamp() * 1000)
        letter = DeadLetter("a queue", "a letter", sent_at, about.pop("step"), "why", lead_id=LEAD_ID, **about)
        reviver = Redriver(
            self.store,
            self.outbox,
            self.arrivals,
            PostbackRepository(Table(aws.dynamodb(), TABLE)),
            self.settings.partners,
            "anna",
            self.time,
        )
        with suppress(DeadLetterKept, DeadLetterObsolete):
            reviver.redrive(letter)
        reviver.note(letter, "dead_letter_redriven")


def row(uuid: str, **more: Any) -> Row:
    return Row.of({"uuid": uuid, "email": EMAIL, "name": "Олена", "created": "2026-03-01T12:00:00Z", **more})


def known_person(world: World, **more: Any) -> None:
    """The lead with claims, a contact, a message, an event of Leeloo, and a message to the account without a lead."""
    world.write_by_hand(ACCOUNT_ID, ACCOUNT_ID)
    world.accept(**more)
    claims = ClaimRepository(Table(aws.dynamodb(), TABLE))
    for partner in more.get("partners", world.lead.partners):
        claims.first(world.delivery(partner), timedelta(days=30), timedelta(days=30))
    world.outbox.remember(LEAD_ID, Contact(ACCOUNT_ID, "p", "uk", None, NOW))
    world.write_by_hand(LEAD_ID)
    world.tell(order_id="later", phone=PHONE, offer_name=NAME)


def everything_of_a_person(world: World, **more: Any) -> None:
    """The same, with what came before the lead and names none: events, an account of the broker, a former account."""
    world.tell(order_id="before", phone=PHONE, email="another@example.com", text=NAME)
    world.tell(order_id="of the account", account_id=ACCOUNT_ID)
    world.book.store([replace(kept_of("u-foreign"), name="Олена Прикладенко", email=EMAIL)])
    world.write_by_hand(FORMER_ID, FORMER_ID)
    known_person(world, **more)
    world.outbox.remember(LEAD_ID, Contact(FORMER_ID, "p", "uk", None, NOW))
    world.outbox.forget(LEAD_ID)
    world.outbox.remember(LEAD_ID, Contact(ACCOUNT_ID, "p", "uk", None, NOW))


def kept_of(uuid: str) -> Any:
    from leadbridge.domain.accounts.account import StoredAccount

    return StoredAccount.of(row(uuid), None, NOW)


def nothing_yet(world: World) -> None:
    world.tell(order_id="before", phone=PHONE)


def incomplete(world: World) -> None:
    person = world.lead.person.model_copy(update={"phone": None})
    problems = (FieldError("person.phone", FieldCode.NOT_A_PHONE),)
    world.accept(person=person, partners=(), fallbacks={}, problems=problems, answers={"phone": ANSWER})


def named_only(world: World) -> None:
    named = Lead(lead_id=LEAD_ID, source="meta-credit", received_at=NOW, partners=())
    world.store.accept(named, phone_hash=None, fetch=new_fetch(LEAD_ID, "meta-credit", KEYS, NOW))


def named_and_failed(world: World) -> None:
    named_only(world)
    fetch = world.arrivals.fetch(LEAD_ID)
    assert fetch is not None
    world.arrivals.apply(fetch_failed(fetch, NOW, some_error("no")))


def with_a_deal(world: World) -> None:
    known_person(world)
    deal = world.submitted()
    change = change_status(deal, NOW, "В обробці", outcome=None, final=False, is_followed=True)
    world.store.apply(change)


def with_an_account(world: World) -> None:
    known_person(world)
    world.submitted(BROKER, "u-1")
    world.take(row("u-1", leadStatus="NEW_CONTACT"))


def with_an_unnamed_account(world: World) -> None:
    known_person(world)
    world.submitted(BROKER, None)


def in_doubt(world: World) -> None:
    known_person(world)
    begun = world.store.apply(steps.start_attempt(world.delivery(BROKER), NOW, MINUTE))
    world.store.apply(steps.mark_uncertain(begun, NOW, some_error("lost"), None))


def unknown(world: World) -> None:
    known_person(world)
    begun = world.store.apply(steps.start_attempt(world.delivery(BROKER), NOW, MINUTE))
    world.store.apply(steps.mark_unknown(begun, NOW, some_error("lost")))


def failed(world: World) -> None:
    known_person(world)
    world.store.apply(steps.fail(world.delivery(), NOW, some_error("no")))
    message = world.outbox.messages(LEAD_ID)[-1]
    world.outbox.apply(message_failed(message, NOW, some_error("no")))


def without_a_contact(world: World) -> None:
    world.accept()
    world.outbox.add(status_notification(LEAD_ID, LENDER, 2, "Погоджено", NOW))


def of_one_partner(world: World) -> None:
    known_person(world, partners=(LENDER,))


def received_again(world: World) -> None:
    world.accept()
    world.accept()


def swept(world: World) -> None:
    world.time.now = NOW + timedelta(hours=2)
    checker = Checker(world.store, Partner(), world.settings.partners[LENDER], world.time)
    for partner in (LENDER, BROKER):
        check_one(checker, LEAD_ID, partner, AMPLE)
    for message in world.outbox.messages(LEAD_ID):
        world.sender(Messenger()).process(LEAD_ID, message.message_id, AMPLE, overdue=True)


def checked(world: World) -> None:
    checker = Checker(world.store, Partner(), world.settings.partners[LENDER], world.time, with_crm_note=True)
    check_one(checker, LEAD_ID, LENDER, AMPLE, at_once=True)


FOUND = Recipient(ACCOUNT_ID, "uk_UA", "person-1")
NO = partner_errors.Rejected("partner", "call", "no")
AWAY = partner_errors.Unavailable("partner", "call", "away")
LOST = partner_errors.Unknown("partner", "call", "lost")

type Prepared = Callable[[World], None]
FLOWS: Mapping[str, tuple[Prepared, Callable[[World], Any]]] = {
    "a post comes, and comes again": (nothing_yet, received_again),
    "a post comes again with other content": (
        known_person,
        lambda world: world.store.note_change(world.lead.model_copy(update={"content_hash": "h"}), ("person.phone",)),
    ),
    "an incomplete lead arrives": (lambda _: None, incomplete),
    "an incomplete lead is completed": (incomplete, World.correct),
    "a lead is corrected": (everything_of_a_person, World.correct),
    "a named lead is fetched": (named_only, World.fetch),
    "a fetch fails": (named_only, lambda world: world.fetch(AWAY)),
    "a failed fetch is redriven": (named_and_failed, lambda world: world.redrive(step="fetch")),
    "a lead goes to the lender": (
        everything_of_a_person,
        lambda world: world.submitter(LENDER, Partner()).process(LEAD_ID, LENDER, AMPLE),
    ),
    "a lead goes to the broker": (
        known_person,
        lambda world: world.submitter(BROKER, Partner("u-1")).process(LEAD_ID, BROKER, AMPLE),
    ),
    "a refused lead falls back": (
        of_one_partner,
        lambda world: world.submitter(LENDER, Partner(error=NO)).process(LEAD_ID, LENDER, AMPLE),
    ),
    "the lender is away": (
        known_person,
        lambda world: world.submitter(LENDER, Partner(error=AWAY)).process(LEAD_ID, LENDER, AMPLE),
    ),
    "a reply is lost": (
        known_person,
        lambda world: world.submitter(BROKER, Partner(error=LOST)).process(LEAD_ID, BROKER, AMPLE),
    ),
    "a lost reply is looked up": (
        in_doubt,
        lambda world: world.submitter(BROKER, Partner(known=row("u-1"))).process(LEAD_ID, BROKER, AMPLE),
    ),
    "a status is asked for": (with_a_deal, checked),
    "overdue items are announced": (known_person, swept),
    "a message is sent": (known_person, lambda world: world.send(Messenger(known=FOUND))),
    "a person is found and written to": (without_a_contact, lambda world: world.send(Messenger(known=FOUND))),
    "a person is made and written to": (without_a_contact, lambda world: world.send(Messenger(makes=FOUND))),
    "an account is gone": (everything_of_a_person, lambda world: world.send(Messenger(error=NO))),
    "the messenger is away": (known_person, lambda world: world.send(Messenger(error=AWAY))),
    "a message goes to an account": (known_person, lambda world: world.send(Messenger(), ACCOUNT_ID)),
    "an operator writes to the lead": (
        known_person,
        lambda world: world.ask("POST", "/messages", {"lead_id": LEAD_ID, "text": TEXT}),
    ),
    "an operator writes to the account": (
        everything_of_a_person,
        lambda world: world.write_by_hand(ACCOUNT_ID, ACCOUNT_ID),
    ),
    "an operator looks": (known_person, lambda world: world.ask("POST", "/leads/{lead_id}/reveal")),
    "an operator asks for a check": (
        with_a_deal,
        lambda world: world.ask("POST", "/leads/{lead_id}/deliveries/{partner}/check"),
    ),
    "an operator retries": (failed, lambda world: world.ask("POST", "/leads/{lead_id}/deliveries/{partner}/retry")),
    "an operator resolves": (
        unknown,
        lambda world: world.ask(
            "POST", "/leads/{lead_id}/deliveries/{partner}/resolve", {"account_uuid": "u-1"}, BROKER
        ),
    ),
    "a letter of a delivery is redriven": (failed, lambda world: world.redrive(step="submit", partner=LENDER)),
    "a letter of a message is redriven": (
        failed,
        lambda world: world.redrive(step="send", message_id=BY_HAND),
    ),
    "Leeloo tells of the phone": (everything_of_a_person, lambda world: world.tell(order_id="now", phone=PHONE)),
    "Leeloo tells of the account": (
        everything_of_a_person,
        lambda world: world.tell(order_id="now", account_id=ACCOUNT_ID, text=NAME),
    ),
    "the list has news": (with_an_account, lambda world: world.take(row("u-1", leadStatus="CONTACTED"))),
    "the list names an account": (
        with_an_unnamed_account,
        lambda world: world.take(row("u-1", leadStatus="CONTACTED")),
    ),
    "the list settles a doubt": (in_doubt, lambda world: world.take(row("u-1", leadStatus="CONTACTED"))),
    "the list changes another's account": (
        everything_of_a_person,
        lambda world: world.take(row("u-foreign", created="2020-01-01T00:00:00Z", phone=PHONE)),
    ),
}
# These flows bring something about the person into the table that names no lead. They find the lead by this call to
# AWS; if its hashes are gone by then, what they bring comes after the erasure, and nothing can tell whose it is.
FINDS_LEAD_BY_CALL = {
    "a post comes, and comes again": 1,
    "Leeloo tells of the phone": 1,
    "Leeloo tells of the account": 1,
    "the list names an account": 3,
    "the list settles a doubt": 3,
}


@pytest.fixture
def world(
    store: LeadRepository,
    shipped_settings: Settings,
    time: Time,
    function: Callable[[str], ModuleType],
    monkeypatch: Any,
) -> World:
    queue = aws.sqs().create_queue(QueueName="checks")["QueueUrl"]
    monkeypatch.setenv("CHECK_QUEUE_URL", queue)
    sources = {name: source.model_copy(update={"dedup_days": 30}) for name, source in shipped_settings.sources.items()}
    app = function("manage_leads")
    monkeypatch.setattr(Resources, "register", lambda *_: Register())
    made = World(time, shipped_settings.model_copy(update={"sources": sources}), app)
    bystander(made)
    return made


def bystander(world: World) -> None:
    """Somebody else, of whom the same is kept."""
    other = other_lead(
        9, full_name="Мар'яненко Іван", phone="+380671112233", email="other@example.com", tax_number="3068208401"
    )
    world.store.accept(other, **hashes_of(other, hashed))
    world.outbox.remember(other.lead_id, Contact("64aa00000000000000000009", "p9", "uk", None, NOW))
    world.outbox.add(status_notification(other.lead_id, LENDER, 2, "Погоджено", NOW))
    world.tell(order_id="another's", phone="+380671112244")


def attempt(flow: Callable[[World], Any], world: World) -> None:
    """Run a flow; it may be refused, as by SQS it would come again."""
    world.time.now = NOW + timedelta(minutes=30)
    with suppress(Conflict, Contended):
        flow(world)


def left_of_the_person(items: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the table once the person was erased."""
    wrong = []
    for values in items:
        about = f"{values['pk'][:60]} {values['sk'][:60]}"
        text = meetings.texts_of(values)
        wrong += [f"{about} holds {word}" for word in PRIVATE if word in text]
        if values["sk"] == "CLAIM":
            wrong.append(about)
        if values["pk"] != f"LEAD#{LEAD_ID}":
            continue
        kind = values["sk"].partition("#")[0]
        if kind not in {"LEAD", "DELIVERY", "EVENT"}:
            wrong.append(f"there is {about}")
        if "due_shard" in values or values.get("state") in {"received", "submitting", "pending", "sending"}:
            wrong.append(f"{about} waits")
        if kind == "DELIVERY" and not values.get("is_erased"):
            wrong.append(f"{about} is not erased")
        if kind == "EVENT" and values.keys() & {"detail", "data"} and values["what"] != "erased":
            wrong.append(f"{about} quotes")
    return wrong


def others(items: list[dict[str, Any]]) -> list[str]:
    """What is kept of the bystander."""
    mine = f"LEAD#{LEAD_ID}"
    marks = ("ACCOUNT#", "DEAL#", "LEELOO#", "CLOSED#", "TRACE#", "PERSON#", mine)
    return sorted(meetings.texts_of(values) for values in items if not values["pk"].startswith(marks))


@pytest.mark.parametrize("name", FLOWS)
def test_nothing_remains_of_a_person_whose_erasure_meets(name: str, world: World) -> None:
    prepare, flow = FLOWS[name]
    prepare(world)
    state, strangers = meetings.saved(), others(everything())
    with directed() as director:
        calls = director.play(lambda: attempt(flow, world))
        for at in range(FINDS_LEAD_BY_CALL.get(name, 0) + 1, calls + 2):
            begin_again(world, state)
            erasure = Erasure(LEAD_ID, world.time)
            director.play(lambda: attempt(flow, world), at, erasure)
            check(erasure, f"erased before call {at} of {calls} of the flow", strangers)
        begin_again(world, state)
        calls = director.play(Erasure(LEAD_ID, world.time))
        for at in range(1, calls + 1):
            begin_again(world, state)
            erasure = Erasure(LEAD_ID, world.time)
            with suppress(Killed):
                director.play(erasure, at, meetings.die)
            if name in FINDS_LEAD_BY_CALL and not is_found_by_hashes():
                break
            attempt(flow, world)
            check(erasure, f"killed before call {at} of {calls} of the eraser", strangers)
        for at in range(1, calls + 1):
            begin_again(world, state)
            erasure, is_found = Erasure(LEAD_ID, world.time), [True]

            def meet(is_found: list[bool] = is_found) -> None:
                is_found[0] = is_found_by_hashes()
                attempt(flow, world)

            director.play(erasure, at, meet)
            if is_found[0] or name not in FINDS_LEAD_BY_CALL:
                check(erasure, f"met before call {at} of {calls} of the eraser", strangers)


def is_found_by_hashes() -> bool:
    """Whether the indexes find the lead."""
    return any(values["pk"] == f"LEAD#{LEAD_ID}" and "email_hash" in values for values in everything())


def begin_again(world: World, state: dict[Any, Any]) -> None:
    meetings.restore(state)
    world.time.now = NOW + MINUTE


def check(erasure: Erasure, how: str, strangers: list[str]) -> None:
    """Nothing is left after an erasure that succeeded; nor after one that is repeated because it did not."""
    if erasure.is_done:
        items = everything()
        assert left_of_the_person(items) == [], how
        assert others(items) == strangers, how
        return
    erasure.time.now += timedelta(hours=1)
    settle(erasure)
    erasure.is_done = False
    erasure()
    assert erasure.is_done, how
    items = everything()
    assert left_of_the_person(items) == [], f"{how}, and again"
    assert others(items) == strangers, how


def settle(erasure: Erasure) -> None:
    """Let the sweep call what a lost or refused worker left by its name, so that it does not keep the eraser out."""
    store = LeadRepository(Table(aws.dynamodb(), TABLE))
    for partner in (LENDER, BROKER):
        delivery = store.delivery(erasure.lead_id, partner)
        if delivery is not None and delivery.is_lease_expired(erasure.time()):
            store.apply(steps.mark_unknown(delivery, erasure.time(), some_error("the worker was lost")))
