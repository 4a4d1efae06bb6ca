"""Settling an unknown delivery: only with an id that the partner knows and no other lead has, and with a way back."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.api.resources import Resources
from leadbridge.domain import delivery as steps
from leadbridge.domain import message as messages
from leadbridge.domain import operator_steps
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import MessageState, status_notification
from leadbridge.domain.message_operator_steps import retry_message_by_operator
from leadbridge.domain.statuses.status_change import record_status
from leadbridge.domain.transitions import AlreadyLinked, Conflict
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.resolve_delivery import AccountVerifier, ConfirmedId, DealVerifier, IdNotFound
from leadbridge.services.submit_lead import Submitter
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Context, Time
from quality.testkit.people import NOW, lead
from quality.testkit.services.messages import AMPLE, World
from quality.testkit.template import ROOT

FIRST, OTHER = lead(1), lead(2)
MINUTE = timedelta(minutes=1)
LOST = "lost"


@dataclass
class Partner:
    """A partner that knows some ids; `away` is raised instead."""

    knows: dict[int | str, str | None] = field(default_factory=dict)
    away: partner_errors.PartnerError | None = None
    asked: list[int | str] = field(default_factory=list)

    def confirm(self, _: Lead, created: int | str, budget: Budget) -> ConfirmedId:
        """Answer as the test says."""
        self.asked.append(created)
        if self.away is not None:
            raise self.away
        if created not in self.knows:
            raise IdNotFound
        return ConfirmedId(created, self.knows[created])


@dataclass
class Console:
    """An operator, the API, the table behind it, and a partner."""

    app: ModuleType
    store: LeadRepository
    partner: Partner
    settings: Settings

    def resolve(self, body: dict[str, Any], *, of: Lead = FIRST, partner: str = "leadleader") -> dict[str, Any]:
        """Ask; the answer's status, headers and content."""
        event = {
            "httpMethod": "POST",
            "resource": "/leads/{lead_id}/deliveries/{partner}/resolve",
            "pathParameters": {"lead_id": of.lead_id, "partner": partner},
            "requestContext": {"authorizer": {"operator": "olena"}},
            "body": json.dumps(body),
        }
        answer = self.app.handler(event, Context())
        return {**json.loads(answer["body"]), "http": answer["statusCode"], "headers": answer["headers"]}

    def delivery(self, of: Lead = FIRST, partner: str = "leadleader") -> Delivery:
        """The delivery as it is."""
        found = self.store.delivery(of.lead_id, partner)
        assert found is not None
        return found

    def lost(self, of: Lead = FIRST) -> None:
        """Make a delivery unknown, as its flow does."""
        begun = self.store.apply(steps.start_attempt(self.delivery(of), NOW, MINUTE))
        self.store.apply(steps.mark_unknown(begun, NOW, some_error(LOST)))

    def learn(self, *statuses: str) -> None:
        """Learn statuses, as a check does."""
        for status in statuses:
            change = record_status(
                self.delivery(),
                status,
                self.settings.partners["leadleader"],
                utc_now(),
                with_crm_note=False,
            )
            self.store.apply(change)

    def timeline(self, of: Lead = FIRST) -> list[tuple[str, str | None]]:
        """What was done, and its details."""
        journey = self.store.journey(of.lead_id)
        assert journey is not None
        return [(entry.what, entry.detail) for entry in journey.timeline]

    @property
    def messages(self) -> list[messages.Message]:
        """The messages to the first lead's person."""
        journey = self.store.journey(FIRST.lead_id)
        assert journey is not None
        return list(journey.messages)


@pytest.fixture
def console(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Console:
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": "k"}))
    for one in (FIRST, OTHER):
        assert store.accept(one, phone_hash=None) is None
    app, partner = function("manage_leads"), Partner({24: "В обробці", 25: "Погоджено"})
    monkeypatch.setattr(Resources, "register", lambda *_: partner)
    made = Console(app, store, partner, shipped_settings)
    made.lost()
    return made


def test_an_id_is_stored_with_the_status_that_the_partner_returned(console: Console) -> None:
    said = console.resolve({"deal_id": 24})
    assert (said["http"], said["state"], said["deal_id"]) == (200, "submitted", 24)
    assert (said["partner_status"], said["outcome"]) == ("В обробці", "in_progress")
    assert said["settled_at"] is not None
    assert console.timeline()[-2:] == [("resolved", "deal 24, by olena"), ("status_changed", "В обробці")]
    assert console.messages == [], "a first status is not told"
    assert console.store.owner_of("leadleader", 24) == FIRST.lead_id


def test_an_id_that_the_partner_does_not_know_is_not_stored(console: Console) -> None:
    before = console.delivery()
    said = console.resolve({"deal_id": 999999})
    assert (said["http"], said["type"]) == (422, "urn:leadbridge:problem:not-known-to-partner")
    assert said["errors"][0]["field"] == "deal_id"
    assert console.delivery() == before
    assert console.store.owner_of("leadleader", 999999) is None


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (partner_errors.Unavailable("leadleader", "authorize", "the secret has no value yet"), "30"),
        (partner_errors.Misconfigured("leadleader", "authorize", "the password is wrong"), "30"),
        (partner_errors.RateLimited("leadleader", "status", "slow down", retry_after=90.0), "90"),
    ],
)
def test_nothing_is_stored_while_the_partner_cannot_be_asked(
    console: Console, error: partner_errors.PartnerError, wait: str
) -> None:
    before, console.partner.away = console.delivery(), error
    said = console.resolve({"deal_id": 24})
    assert (said["http"], said["type"]) == (503, "urn:leadbridge:problem:partner-unavailable")
    assert said["headers"]["Retry-After"] == wait
    assert console.delivery() == before


def test_an_id_of_another_lead_is_refused_and_the_lead_is_named(console: Console) -> None:
    begun = console.store.apply(steps.start_attempt(console.delivery(OTHER), NOW, MINUTE))
    console.store.apply(steps.confirm(begun, NOW, 25, is_followed=True))
    before = console.delivery()
    said = console.resolve({"deal_id": 25})
    assert (said["http"], said["type"]) == (409, "urn:leadbridge:problem:already-linked")
    assert said["lead_id"] == OTHER.lead_id
    assert console.partner.asked == []
    assert console.delivery() == before


def test_an_id_that_another_lead_takes_meanwhile_is_refused_by_the_table(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = console.store.apply(steps.start_attempt(console.delivery(OTHER), NOW, MINUTE))

    class Meanwhile(Partner):
        def confirm(self, lead: Lead, created: int | str, budget: Budget) -> ConfirmedId:
            console.store.apply(steps.confirm(begun, NOW, 25, is_followed=True))
            return super().confirm(lead, created, budget)

    monkeypatch.setattr(Resources, "register", lambda *_: Meanwhile({25: None}))
    said = console.resolve({"deal_id": 25})
    assert (said["http"], said["lead_id"]) == (409, OTHER.lead_id)
    assert console.delivery().state is State.UNKNOWN


def test_a_wrong_state_is_reported_before_the_partner_is_asked(console: Console) -> None:
    said = console.resolve({"deal_id": 24}, of=OTHER)
    assert (said["http"], said["title"], console.partner.asked) == (409, "Wrong state", [])


def test_what_the_partner_itself_confirmed_is_neither_withdrawn_nor_corrected(console: Console) -> None:
    begun = console.store.apply(steps.start_attempt(console.delivery(OTHER), NOW, MINUTE))
    before = console.store.apply(steps.confirm(begun, NOW, 77, is_followed=True))
    for body in ({"outcome": "unknown"}, {"outcome": "not_created"}, {"deal_id": 24}):
        assert console.resolve(body, of=OTHER)["http"] == 409
    assert console.delivery(OTHER) == before


def test_a_wrong_settlement_is_withdrawn_with_all_that_it_led_to(console: Console) -> None:
    console.resolve({"deal_id": 24})
    console.learn("Погоджено", "Видано")
    outbox, (sent, _) = MessageRepository(Table(aws.dynamodb(), TABLE)), console.messages
    outbox.apply(messages.mark_sent(outbox.apply(messages.start_sending(sent, NOW, MINUTE)), NOW))
    said = console.resolve({"outcome": "unknown"})
    assert (said["http"], said["state"]) == (200, "unknown")
    assert [said[name] for name in ("deal_id", "partner_status", "outcome", "submitted_at")] == [None] * 4
    assert (said["settled_at"], console.delivery().due_at) == (None, None)
    assert [one.state for one in console.messages] == [MessageState.SENT, MessageState.SKIPPED]
    withdrawn = dict(console.timeline())["resolution_withdrawn"]
    assert withdrawn == (
        "deal 24; it led to statuses: 3 (В обробці, Погоджено, Видано), messages sent: 1 (Погоджено),"
        " messages skipped: 1, by olena"
    )
    assert console.store.owner_of("leadleader", 24) is None
    console.lost(OTHER)
    assert console.resolve({"deal_id": 24}, of=OTHER)["http"] == 200, "the deal is free again"
    assert console.resolve({"outcome": "unknown"})["http"] == 409, "there is nothing to withdraw any more"


def test_a_wrong_settlement_is_corrected_in_one_step(console: Console) -> None:
    console.resolve({"deal_id": 24})
    console.learn("Погоджено")
    said = console.resolve({"deal_id": 25})
    assert (said["http"], said["deal_id"], said["partner_status"]) == (200, 25, "Погоджено")
    assert [one.state for one in console.messages] == [MessageState.SKIPPED], "the new deal's first status is not told"
    detail = "deal 25 instead of deal 24; it led to statuses: 2 (В обробці, Погоджено), messages skipped: 1, by olena"
    assert ("resolved", detail) in console.timeline()
    assert (console.store.owner_of("leadleader", 24), console.store.owner_of("leadleader", 25)) == (None, FIRST.lead_id)
    assert console.resolve({"deal_id": 25})["http"] == 409, "it is settled so already"


def test_what_was_called_not_created_can_be_corrected_until_it_is_retried(console: Console) -> None:
    assert console.resolve({"outcome": "not_created"})["state"] == "failed"
    assert console.resolve({"outcome": "not_created"})["http"] == 409
    assert console.resolve({"deal_id": 24})["state"] == "submitted"
    assert console.resolve({"outcome": "not_created"})["state"] == "failed"
    assert console.store.owner_of("leadleader", 24) is None
    console.store.apply(operator_steps.retry_by_operator(console.delivery(), NOW, "olena", is_confirmed=False))
    assert console.resolve({"outcome": "unknown"})["http"] == 409


def test_a_resolution_can_insist_on_the_state_that_its_operator_saw(console: Console) -> None:
    console.resolve({"outcome": "not_created"})
    said = console.resolve({"deal_id": 24, "expected_state": "unknown"})
    assert (said["http"], said["title"]) == (409, "Wrong state")
    assert console.delivery().state is State.FAILED


def test_of_an_erased_person_nothing_is_resolved_and_the_deal_is_kept_from_others(console: Console) -> None:
    from leadbridge.storage.erasure.eraser import Eraser

    console.resolve({"deal_id": 24})
    Eraser(Table(aws.dynamodb(), TABLE)).erase(FIRST.lead_id, "olena", NOW)
    assert console.resolve({"outcome": "unknown"})["http"] == 409
    console.lost(OTHER)
    said = console.resolve({"deal_id": 24}, of=OTHER)
    assert (said["http"], said["lead_id"]) == (409, FIRST.lead_id)


class Deals:
    """Lead Leader's deals."""

    seconds_per_check = 1.0

    def status(self, deal_id: int, budget: Budget) -> str:
        """Their status."""
        if deal_id != 24:
            raise partner_errors.Rejected("leadleader", "status", "the partner refused it (HTTP 404)")
        return "В обробці"


class Accounts:
    """Match-Trade's accounts: one."""

    seconds_per_page = 1.0

    def find(self, email: str, budget: Budget) -> BrokerAccount | None:
        """Look an e-mail up."""
        row = {"uuid": "3f2a-UUID", "email": email, "leadStatus": "CONTACTED"}
        return BrokerAccount.of(row) if email == "olena@example.com" else None


def test_a_deal_is_known_if_its_status_is() -> None:
    assert DealVerifier(Deals()).confirm(FIRST, 24, AMPLE) == ConfirmedId(24, "В обробці")
    with pytest.raises(IdNotFound):
        DealVerifier(Deals()).confirm(FIRST, 25, AMPLE)


def test_an_account_is_known_if_it_has_the_leads_email() -> None:
    register = AccountVerifier(Accounts())
    assert register.confirm(FIRST, "3F2A-uuid", AMPLE) == ConfirmedId("3f2a-UUID", "CONTACTED")
    elses = FIRST.model_copy(update={"person": FIRST.person.model_copy(update={"email": "other@example.com"})})
    for one, uuid in ((FIRST, "another"), (elses, "3f2a-UUID")):
        with pytest.raises(IdNotFound):
            register.confirm(one, uuid, AMPLE)


def test_other_routes_start_without_the_partners_clients() -> None:
    code = f"import sys; sys.path[:0] = [{str(ROOT / 'functions' / 'manage_leads')!r}]; import app; print(*sys.modules)"
    environment = {**os.environ, "LEADBRIDGE_FLOW": "manage_leads", "POWERTOOLS_METRICS_NAMESPACE": "leadbridge"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "cryptography" not in said.stdout
    assert "leadbridge.partners.leadleader" not in said.stdout
    assert "leadbridge.partners.matchtrade" not in said.stdout


# An id that the partner names twice


class Creates:
    """A partner that answers a create with a deal that an operator entered for somebody else."""

    seconds_per_submission = seconds_per_create = 1.0

    def authorize(self, budget: Budget) -> Any:
        return self

    def create(self, submitted: Lead, budget: Budget) -> int:
        return 24


def test_a_genuine_answer_with_an_id_of_another_lead_is_unknown_and_puts_that_lead_in_doubt(console: Console) -> None:
    console.resolve({"deal_id": 24})
    buried: list[str] = []
    submitter = Submitter(
        console.store,
        Creates(),
        console.settings.partners["leadleader"],
        lambda: NOW,
        lambda delivery, error: buried.append(error.text),
    )
    assert submitter.process(OTHER.lead_id, "leadleader", AMPLE).outcome is Outcome.UNKNOWN
    other, first = console.delivery(OTHER), console.delivery()
    assert (other.state, other.deal_id) == (State.UNKNOWN, None)
    assert other.last_error_code == "already_linked"
    assert other.last_error_data == {"deal_id": 24, "lead_id": FIRST.lead_id}
    assert (first.deal_id, first.attention, first.contested_by) == (24, "id_contested", OTHER.lead_id)
    assert ("contested", f"the partner returned deal 24 for {OTHER.lead_id} too") in console.timeline()
    assert console.resolve({"outcome": "unknown"})["attention"] is None
    assert console.resolve({"deal_id": 24}, of=OTHER)["state"] == "submitted"


def test_a_genuine_answer_with_an_account_of_another_lead_is_looked_up(
    store: LeadRepository, shipped_settings: Settings, time: Time
) -> None:
    traders = [lead(number).model_copy(update={"partners": ("matchtrade",)}) for number in (3, 4)]
    for one in traders:
        assert store.accept(one, phone_hash=None) is None
    found = store.delivery(traders[0].lead_id, "matchtrade")
    assert found is not None
    time.now = NOW
    begun = store.apply(steps.start_attempt(found, NOW, MINUTE))
    store.apply(steps.confirm(begun, NOW, "3f2a-UUID", is_followed=False))

    class Broker(Accounts):
        seconds_per_submission = seconds_per_create = 1.0

        def authorize(self, budget: Budget) -> Any:
            return self

        def create(self, submitted: Lead, budget: Budget) -> str:
            return "3f2a-UUID"

    broker, settings = Broker(), shipped_settings.partners["matchtrade"]
    submitter = Submitter(store, broker, settings, time, lambda *_: None, accounts=broker)
    visit = submitter.process(traders[1].lead_id, "matchtrade", AMPLE)
    assert visit.outcome is Outcome.UNCERTAIN
    time.now += visit.retry_after or MINUTE
    assert submitter.process(traders[1].lead_id, "matchtrade", AMPLE).outcome is Outcome.DUPLICATE


def test_a_tie_stops_only_another_lead(store: LeadRepository) -> None:
    for one in (FIRST, OTHER):
        store.accept(one, phone_hash=None)
    begun = []
    for one in (FIRST, OTHER):
        found = store.delivery(one.lead_id, "leadleader")
        assert found is not None
        begun.append(store.apply(steps.start_attempt(found, NOW, MINUTE)))
    store.apply(steps.confirm(begun[0], NOW, 24, is_followed=True))
    with pytest.raises(Conflict) as same:
        store.apply(steps.confirm(begun[0], NOW, 24, is_followed=True))
    assert not isinstance(same.value, AlreadyLinked)
    with pytest.raises(AlreadyLinked) as other:
        store.apply(steps.confirm(begun[1], NOW, 24, is_followed=True))
    assert other.value.lead_id == FIRST.lead_id


# What is not told to the person


def status_message(world: World, version: int) -> messages.Message:
    message = status_notification(lead().lead_id, "leadleader", version, "Погоджено", world.time.now)
    world.outbox.add(message)
    return message


@pytest.fixture
def world(store: LeadRepository, time: Time) -> World:
    store.accept(lead(), phone_hash=None)
    return World(store, MessageRepository(Table(aws.dynamodb(), TABLE)), time)


def settled(world: World) -> Delivery:
    """The lead's delivery, settled by an operator."""
    found = world.store.delivery(lead().lead_id, "leadleader")
    assert found is not None
    lost = world.store.apply(
        steps.mark_unknown(world.store.apply(steps.start_attempt(found, NOW, MINUTE)), NOW, some_error(LOST))
    )
    return world.store.apply(operator_steps.resolve_found(lost, NOW, "olena", 24, is_followed=True))


def test_a_status_of_a_withdrawn_deal_is_never_sent_even_if_its_message_is_redriven(world: World) -> None:
    delivery = settled(world)
    message = status_message(world, delivery.version)
    failed = world.outbox.apply(messages.fail(message, world.time.now, some_error("spent")))
    after = world.store.apply(operator_steps.withdraw_resolution(delivery, NOW, "olena", can_be_looked_up=False))
    again = world.store.apply(operator_steps.resolve_found(after, NOW, "olena", 25, is_followed=True))
    world.outbox.apply(retry_message_by_operator(failed, world.time.now, "olena"))
    assert world.sender().process(message.owner, message.message_id, AMPLE).outcome == "skipped"
    assert world.messenger.sent == []
    world.time.pass_(seconds=1)
    later = status_message(world, again.version + 1)
    assert world.sender().process(later.owner, later.message_id, AMPLE).outcome == "sent"


def test_a_status_is_held_while_the_partner_refuses_the_deals_checks(world: World) -> None:
    delivery = settled(world)
    message = status_message(world, delivery.version)
    for number in range(3):
        found = world.store.delivery(message.owner, "leadleader")
        assert found is not None
        assert found.attention is None
        world.store.defer_check(found, NOW + (number + 1) * MINUTE, error=some_error("refused"), is_refused=True)
    visit = world.sender().process(message.owner, message.message_id, AMPLE)
    assert (visit.outcome, visit.retry_after) == ("waiting", timedelta(hours=1))
    doubtful = world.store.delivery(message.owner, "leadleader")
    assert doubtful is not None
    assert doubtful.attention == "status_check_refused"
    world.time.pass_(hours=1)
    world.store.defer_check(doubtful, NOW + timedelta(hours=2))
    assert world.sender().process(message.owner, message.message_id, AMPLE).outcome == "sent"


def test_an_uncertain_status_is_not_sent_a_day_later(world: World) -> None:
    delivery = settled(world)
    message = status_message(world, delivery.version)
    world.store.apply(operator_steps.contest_resolution(delivery, NOW, OTHER.lead_id))
    world.time.pass_(hours=24)
    assert world.sender().process(message.owner, message.message_id, AMPLE).outcome == "skipped"
    assert world.messenger.sent == []


def test_status_that_comes_with_an_id_is_dated_by_the_moment_at_which_the_partner_was_asked(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOW
    confirm = console.partner.confirm

    def slow(*asked: Any) -> Any:
        nonlocal now
        now += MINUTE
        return confirm(*asked)

    monkeypatch.setattr("leadbridge.api.routes.deliveries.utc_now", lambda: now)
    monkeypatch.setattr(console.partner, "confirm", slow)
    assert console.resolve({"deal_id": 24})["http"] == 200
    assert (console.delivery().settled_at, console.delivery().status_at) == (NOW + MINUTE, NOW)
