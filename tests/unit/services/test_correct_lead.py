"""Corrections: an incomplete lead is completed and delivered, and no worker sends what was corrected meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.acceptance.build import build_lead
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.field_codes import FieldCode
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.fields.hashes import hashes_of
from leadbridge.domain.lead import InvalidLead, Lead
from leadbridge.domain.operator_steps import SubmissionInProgress, WrongState, retry_by_operator
from leadbridge.domain.transitions import Conflict
from leadbridge.partners.matchtrade.accounts import AccountForm
from leadbridge.partners.matchtrade.credentials import BrokerCredentials
from leadbridge.runtime import aws
from leadbridge.runtime.budget import Budget
from leadbridge.services.correct_lead import Corrector, UnknownLead
from leadbridge.services.submit_lead import Submitter
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.claims import ClaimRepository
from leadbridge.storage.corrections import CorrectionRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import Journey, LeadRepository
from leadbridge.storage.queries.lead_filter import LeadFilter
from leadbridge.storage.queries.lead_list import LeadList
from leadbridge.storage.queries.lead_search import LeadFinder
from leadbridge.storage.table import Table
from leadbridge_cli.restored_copy import settled
from quality.testkit.fakes.errors import some_error
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.partners.matchtrade import SECRET
from quality.testkit.people import NOW, asked

LEASE = timedelta(seconds=30)
SOURCE = "plain-credit"


def hashed(value: str) -> str:
    return f"hash of {value}"


@dataclass
class World:
    store: LeadRepository
    time: Time
    settings: Settings

    @property
    def table(self) -> Table:
        return Table(aws.dynamodb(), TABLE)

    @property
    def corrector(self) -> Corrector:
        return Corrector(self.store, CorrectionRepository(self.table), self.settings, hashed, self.time)

    def keep(self, number: int = 1, *, received_at: datetime = NOW, **person: Any) -> Lead:
        """Store what a form sends for the lender."""
        values = asked(**person)
        lead = build_lead(
            values,
            lead_id=f"ld_{'abcdefgh'[number] * 26}",
            source=SOURCE,
            received_at=received_at,
            partners={"leadleader": self.settings.partners["leadleader"]},
            answers={name: str(value) for name, value in values["person"].items()},
        )
        assert self.store.accept(lead, **hashes_of(lead, hashed)) is None
        return lead

    def correct(self, lead: Lead, values: Mapping[str, Mapping[str, Any]]) -> Journey:
        self.corrector.correct(lead.lead_id, values, "olena")
        return self.journey(lead)

    def journey(self, lead: Lead) -> Journey:
        found = self.store.journey(lead.lead_id)
        assert found is not None
        return found

    def delivery(self, lead: Lead) -> Delivery:
        return self.journey(lead).deliveries["leadleader"]

    def incomplete(self) -> list[str]:
        page = LeadList(self.table).page(LeadFilter(status=LeadStatus.INCOMPLETE), 10)
        return [one.lead.lead_id for one in page.leads]


@pytest.fixture
def world(store: LeadRepository, time: Time, shipped_settings: Settings) -> World:
    return World(store, time, shipped_settings)


def test_an_incomplete_lead_is_stored_listed_and_has_no_delivery(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі", email="немає")
    journey = world.journey(lead)
    assert (journey.status, journey.deliveries, journey.lead.partners) == (LeadStatus.INCOMPLETE, {}, ())
    assert [(one.field, one.code) for one in journey.lead.problems] == [("person.phone", FieldCode.NOT_A_PHONE)]
    assert [one.field for one in journey.lead.warnings] == ["person.email"]
    assert journey.lead.answers["phone"] == "подзвоніть мамі"
    assert world.incomplete() == [lead.lead_id]
    assert [entry.what for entry in journey.timeline] == ["received", "incomplete"]
    assert "подзвоніть" not in str(journey.timeline)


def test_a_completed_lead_is_routed_and_delivered_like_a_new_one(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі")
    world.time.pass_(hours=2)
    journey = world.correct(lead, {"person": {"phone": "050 000 00 02"}})
    assert (journey.status, journey.lead.person.phone) == (LeadStatus.RECEIVED, "+380500000002")
    assert (journey.lead.problems, journey.lead.partners) == ((), ("leadleader",))
    assert journey.lead.answers["phone"] == "подзвоніть мамі"
    delivery = journey.deliveries["leadleader"]
    assert (delivery.state, delivery.version, delivery.received_at) == (State.RECEIVED, 1, NOW)
    assert delivery.due_at is not None
    assert delivery.due_at > world.time.now
    entry = journey.timeline[2]
    assert (entry.what, entry.data) == ("corrected", {"fields": ["person.phone"], "operator": "olena"})
    assert "0002" not in str(journey.timeline)
    assert world.incomplete() == []
    assert LeadFinder(world.table).by_phone("hash of +380500000002") == lead.lead_id


def test_a_lead_that_still_lacks_something_stays_incomplete(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі", tax_number="12")
    journey = world.correct(lead, {"person": {"phone": "0500000002"}})
    assert journey.status is LeadStatus.INCOMPLETE
    assert [(one.field, one.code) for one in journey.lead.problems] == [("person.tax_number", FieldCode.NOT_TEN_DIGITS)]
    assert world.incomplete() == [lead.lead_id]
    journey = world.correct(lead, {"person": {"tax_number": "3068208400"}})
    assert (journey.status, journey.lead.problems, list(journey.deliveries)) == (
        LeadStatus.RECEIVED,
        (),
        ["leadleader"],
    )


def test_an_incomplete_lead_is_routed_again_after_the_configuration_was_corrected(world: World) -> None:
    lead = world.keep(tax_number="")
    same = {"person": {"full_name": lead.person.full_name}}
    assert world.corrector.correct(lead.lead_id, same, "olena") is None
    lender = world.settings.partners["leadleader"]
    relaxed = lender.model_copy(update={"requires": tuple(set(lender.requires) - {"person.tax_number"})})
    partners = {**world.settings.partners, "leadleader": relaxed}
    world.settings = world.settings.model_copy(update={"partners": partners})
    journey = world.correct(lead, same)
    assert (journey.status, list(journey.deliveries)) == (LeadStatus.RECEIVED, ["leadleader"])
    assert (journey.lead.problems, world.incomplete()) == ((), [])
    (entry,) = [entry for entry in journey.timeline if entry.what == "corrected"]
    assert entry.data == {"fields": [], "operator": "olena"}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"person": {"phone": "no phone"}}, FieldCode.NOT_A_PHONE),
        ({"person": {"role": "admin"}}, FieldCode.UNKNOWN_FIELD),
        ({"loan": {"amount": "багато"}}, FieldCode.NOT_A_NUMBER),
    ],
)
def test_a_wrong_value_stores_nothing(world: World, values: dict[str, Any], code: FieldCode) -> None:
    lead = world.keep(tax_number="12")
    before = world.journey(lead)
    with pytest.raises(InvalidLead) as refused:
        world.correct(lead, {**values, "trading": {"offer": "a"}})
    assert [one.code for one in refused.value.errors] == [code]
    assert world.journey(lead) == before


def test_a_removed_value_takes_its_warning_along(world: World) -> None:
    lead = world.keep(tax_number="1111122222")
    assert [one.code for one in lead.warnings] == [FieldCode.WRONG_CHECK_DIGIT]
    corrected = world.correct(lead, {"person": {"tax_number": "3068208400", "email": None}}).lead
    assert (corrected.warnings, corrected.person.email, corrected.person.tax_number) == ((), None, "3068208400")


def test_a_name_that_was_composed_is_composed_again(world: World) -> None:
    lead = world.keep(full_name=None, first_name="Олена", middle_name="Іванівна", last_name="Прикладенко")
    person = world.correct(lead, {"person": {"last_name": "Тестенко"}}).lead.person
    assert (person.full_name, person.last_name) == ("Тестенко Олена Іванівна", "Тестенко")


def test_a_corrected_full_name_replaces_the_parts_of_the_former_one(world: World) -> None:
    lead = world.keep(full_name=None, first_name="Олена", middle_name="Іванівна", last_name="Прикладенко")
    values = {"full_name": "Зразкова Марія Петрівна", "first_name": "Олена"}  # this part does not change
    journey = world.correct(lead, {"person": values})
    account = AccountForm().body(journey.lead, BrokerCredentials.of(SECRET))["account"]
    assert (account["surname"], account["name"]) == ("Зразкова", "Марія")
    assert journey.timeline[-1].data["fields"] == [
        "person.full_name",
        "person.first_name",
        "person.middle_name",
        "person.last_name",
    ]
    parts = {"first_name": "Ольга", "last_name": "Зразкова"}
    person = world.correct(lead, {"person": {"full_name": "Зразкова Ольга", **parts}}).lead.person
    assert (person.first_name, person.middle_name, person.last_name) == ("Ольга", None, "Зразкова")


def test_nothing_is_written_where_nothing_changes(world: World) -> None:
    lead = world.keep()
    before = world.journey(lead)
    assert world.correct(lead, {"person": {"phone": "+380 50 000 00 01"}}) == before


def test_a_worker_that_has_read_the_old_fields_cannot_send_them(world: World) -> None:
    lead = world.keep()
    read = world.delivery(lead)
    world.correct(lead, {"person": {"phone": "0500000002"}})
    with pytest.raises(Conflict):
        world.store.apply(steps.start_attempt(read, world.time.now, LEASE))
    assert (world.delivery(lead).state, world.delivery(lead).attempts) == (State.RECEIVED, 0)


def test_a_submitter_that_authorizes_during_a_correction_sends_the_new_fields_next_time(world: World) -> None:
    lead, sent = world.keep(), list[str | None]()

    class Partner:
        seconds_per_submission = seconds_per_create = 1.0

        def authorize(self, _: Budget) -> Partner:
            if not sent and world.journey(lead).lead.revision == 0:
                world.correct(lead, {"person": {"phone": "0500000002"}})
            return self

        def create(self, submitted: Lead, _: Budget) -> int:
            sent.append(submitted.person.phone)
            return 24

    def submit() -> None:
        rules = world.settings.partners["leadleader"]
        submitter = Submitter(world.store, Partner(), rules, world.time, lambda *_: None)
        submitter.process(lead.lead_id, "leadleader", Budget(60.0, monotonic=lambda: 0.0))

    submit()
    assert sent == []
    submit()
    assert sent == ["+380500000002"]
    assert world.delivery(lead).state is State.SUBMITTED


def test_a_due_retry_is_queued_again_by_the_event_of_the_correction(world: World) -> None:
    lead = world.keep()
    retry = steps.schedule_retry(
        world.delivery(lead), world.time.now, some_error("as the test wants"), timedelta(minutes=1)
    )
    world.store.apply(retry)
    world.correct(lead, {"person": {"city": "Київ"}})
    assert world.delivery(lead).next_attempt_at is not None, "its message is in the queue"
    world.time.pass_(minutes=2)
    world.correct(lead, {"person": {"city": "Львів"}})
    assert world.delivery(lead).next_attempt_at is None


def test_a_delivery_that_is_being_submitted_blocks_a_correction(world: World) -> None:
    lead = world.keep()
    world.store.apply(steps.start_attempt(world.delivery(lead), world.time.now, LEASE))
    with pytest.raises(SubmissionInProgress):
        world.correct(lead, {"person": {"phone": "0500000002"}})
    assert world.journey(lead).lead == replace_routing(lead)


def replace_routing(lead: Lead) -> Lead:
    """A lead as it is read back."""
    return items.lead_of(items.decode(items.encode(items.lead_item(lead, phone_hash=None))))


def test_of_two_corrections_one_wins(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі")

    class Slow(LeadRepository):
        """Another operator corrects the lead after this one has read it."""

        def journey(self, lead_id: str) -> Journey | None:
            found = super().journey(lead_id)
            world.correct(lead, {"person": {"phone": "0500000003"}})
            return found

    slow = replace(world.corrector, leads=Slow(world.table))
    with pytest.raises(Conflict):
        slow.correct(lead.lead_id, {"person": {"phone": "0500000002"}}, "ivan")
    journey = world.journey(lead)
    assert (journey.lead.person.phone, journey.lead.revision) == ("+380500000003", 1)
    assert [entry.what for entry in journey.timeline].count("corrected") == 1


def test_an_erasure_during_a_correction_wins(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі")

    class Slow(LeadRepository):
        def journey(self, lead_id: str) -> Journey | None:
            found = super().journey(lead_id)
            Eraser(world.table).erase(lead_id, "ivan", world.time.now)
            return found

    with pytest.raises(Conflict):
        replace(world.corrector, leads=Slow(world.table)).correct(
            lead.lead_id, {"person": {"phone": "0500000002"}}, "olena"
        )
    journey = world.journey(lead)
    assert (journey.lead.person.phone, journey.lead.problems, journey.lead.answers) == (None, (), {})
    assert journey.deliveries == {}
    assert world.incomplete() == []
    with pytest.raises(WrongState):
        world.correct(lead, {"person": {"phone": "0500000002"}})


def test_a_correction_during_an_erasure_is_erased_too(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі")

    class Slow(Table):
        corrected = False

        def transact(self, *arguments: Any, **named: Any) -> int | None:
            if not self.corrected:
                self.corrected = True
                world.correct(lead, {"person": {"phone": "0500000002"}})
            return super().transact(*arguments, **named)

    Eraser(Slow(aws.dynamodb(), TABLE)).erase(lead.lead_id, "ivan", world.time.now)
    journey = world.journey(lead)
    assert journey.lead.erased_at is not None
    assert (journey.lead.person.phone, journey.deliveries["leadleader"].is_erased) == (None, True)
    assert LeadFinder(world.table).by_phone("hash of +380500000002") is None


def test_what_is_found_by_an_old_phone_is_erased_with_the_lead(world: World) -> None:
    lead = world.keep()
    claims = ClaimRepository(world.table)
    assert claims.first(world.delivery(lead), timedelta(days=30), timedelta(days=30)) is None
    world.store.apply(steps.fail(world.delivery(lead), world.time.now, some_error("as the test wants")))
    world.correct(lead, {"person": {"phone": "0500000002"}})
    assert claimed(world) == ["hash of +380500000001", "hash of 3068208400"]
    Eraser(world.table).erase(lead.lead_id, "ivan", world.time.now)
    assert claimed(world) == []
    values = world.table.get(items.lead_key(lead.lead_id)) or {}
    assert "hash" not in str(values)


def claimed(world: World) -> list[str]:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    keys = [items.decode(values)["pk"] for page in pages for values in page["Items"]]
    return sorted(key.split("#")[-1] for key in keys if key.startswith("PERSON#"))


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ({"phone": None}, FieldCode.REQUIRED),
        ({"phone": "+48 512 345 678"}, FieldCode.WRONG_COUNTRY),
        ({"full_name": ""}, FieldCode.REQUIRED),
    ],
)
def test_a_lead_that_waits_to_be_sent_keeps_what_its_partner_needs(
    world: World, person: dict[str, Any], code: FieldCode
) -> None:
    lead = world.keep()
    before = world.journey(lead)
    with pytest.raises(InvalidLead) as refused:
        world.correct(lead, {"person": person})
    assert [(one.field, one.code) for one in refused.value.errors] == [(f"person.{next(iter(person))}", code)]
    assert world.journey(lead) == before
    world.store.apply(steps.fail(world.delivery(lead), world.time.now, some_error("as the test wants")))
    assert world.correct(lead, {"person": person}).deliveries["leadleader"].state is State.FAILED


def test_an_email_by_which_an_account_is_looked_up_cannot_change(world: World) -> None:
    lead = world.keep()
    started = world.store.apply(steps.start_attempt(world.delivery(lead), world.time.now, LEASE))
    world.store.apply(steps.mark_uncertain(started, world.time.now, some_error("as the test wants"), timedelta()))
    with pytest.raises(WrongState):
        world.correct(lead, {"person": {"email": "other@example.com"}})
    assert world.correct(lead, {"person": {"city": "Київ"}}).lead.person.city == "Київ"


def test_a_rejected_delivery_is_retried_with_the_corrected_data(world: World) -> None:
    lead = world.keep()
    started = world.store.apply(steps.start_attempt(world.delivery(lead), world.time.now, LEASE))
    world.store.apply(steps.reject(started, world.time.now, some_error("as the test wants")))
    journey = world.correct(lead, {"person": {"phone": "0500000002"}})
    assert journey.deliveries["leadleader"].state is State.REJECTED
    world.store.apply(retry_by_operator(world.delivery(lead), world.time.now, "olena", is_confirmed=False))
    assert world.delivery(lead).state is State.RECEIVED


def test_a_retry_during_a_correction_conflicts(world: World) -> None:
    """Else a worker could read the old fields and send them after the correction."""
    lead = world.keep()
    world.store.apply(steps.fail(world.delivery(lead), world.time.now, some_error("as the test wants")))

    class Slow(LeadRepository):
        def journey(self, lead_id: str) -> Journey | None:
            found = super().journey(lead_id)
            world.store.apply(retry_by_operator(world.delivery(lead), world.time.now, "ivan", is_confirmed=False))
            return found

    with pytest.raises(Conflict):
        replace(world.corrector, leads=Slow(world.table)).correct(
            lead.lead_id, {"person": {"phone": "0500000002"}}, "olena"
        )


def test_a_lead_that_is_being_fetched_cannot_be_corrected(world: World) -> None:
    empty = Lead(lead_id="ld_" + "x" * 26, source="meta-credit", received_at=NOW, partners=())
    assert world.store.accept(empty, phone_hash=None, fetch=new_fetch(empty.lead_id, "meta-credit", {}, NOW)) is None
    with pytest.raises(WrongState):
        world.correct(empty, {"person": {"phone": "0500000002"}})


def test_an_unknown_lead_is_unknown(world: World) -> None:
    with pytest.raises(UnknownLead):
        world.corrector.correct("ld_nobody", {"person": {"city": "Київ"}}, "olena")


def test_an_incomplete_lead_of_a_source_that_is_gone_cannot_be_routed(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі")
    world.settings = world.settings.model_copy(update={"sources": {}})
    with pytest.raises(WrongState):
        world.correct(lead, {"person": {"phone": "0500000002"}})


def test_a_redelivery_finds_the_corrected_lead_and_changes_nothing(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі")
    world.correct(lead, {"person": {"phone": "0500000002"}})
    assert world.store.accept(lead, **hashes_of(lead, hashed)) == lead.lead_id
    assert world.journey(lead).status is LeadStatus.RECEIVED
    assert world.journey(lead).lead.person.phone == "+380500000002"


def test_a_completed_lead_of_a_person_who_was_served_meanwhile_is_a_repeat(world: World) -> None:
    first = world.keep(1, tax_number="12")
    later = world.keep(2, received_at=NOW + timedelta(hours=1))
    claims = ClaimRepository(world.table)
    assert claims.first(world.delivery(later), timedelta(days=30), timedelta(days=30)) is None
    started = world.store.apply(steps.start_attempt(world.delivery(later), world.time.now, LEASE))
    world.store.apply(steps.confirm(started, world.time.now, 24, is_followed=False))
    world.correct(first, {"person": {"tax_number": "3068208400"}})
    found = claims.first(world.delivery(first), timedelta(days=30), timedelta(days=30))
    assert found is not None
    assert found.lead_id == later.lead_id


def test_a_restored_incomplete_lead_is_delivered_only_with_a_confirmation(world: World) -> None:
    """It may have been completed and delivered after the moment to which the table was restored."""
    lead = world.keep(phone="подзвоніть мамі")
    stored = world.table.get(items.lead_key(lead.lead_id)) or {}
    for restored in settled(stored, world.time.now):
        aws.dynamodb().put_item(TableName=TABLE, Item=items.encode(restored))
    values = {"person": {"phone": "0500000002"}}
    with pytest.raises(WrongState):
        world.correct(lead, values)
    world.corrector.correct(lead.lead_id, values, "olena", is_confirmed=True)
    assert world.journey(lead).status is LeadStatus.RECEIVED
    assert world.journey(lead).lead.restored_at is None


def test_a_lead_that_was_restored_beside_its_deliveries_gets_no_second_ones(world: World) -> None:
    lead = world.keep(phone="подзвоніть мамі")
    stored = world.table.get(items.lead_key(lead.lead_id)) or {}
    world.correct(lead, {"person": {"phone": "0500000002"}})
    for restored in settled(stored, world.time.now):
        aws.dynamodb().put_item(TableName=TABLE, Item=items.encode(restored))
    journey = world.correct(lead, {"person": {"phone": "0500000003"}})
    assert (journey.lead.problems, journey.lead.partners) == ((), ("leadleader",))
    assert journey.deliveries["leadleader"].version == 2


def test_a_corrected_click_id_reaches_the_trackers(world: World) -> None:
    lead = world.keep()
    for corrected, expected in (("c1", "c1"), ("c2", "c2"), ("050 123-45-67", None), ("c3", "c3"), (None, None)):
        after = world.correct(lead, {"trading": {"click_id": corrected}}).lead
        assert after.ids.get("click_id") == expected
        personal = [one.code for one in after.warnings if one.field == "ids.click_id"]
        assert personal == ([FieldCode.PERSONAL_DATA] if expected is None and corrected else [])


def test_a_click_id_that_the_form_gave_to_trackers_stays(world: World) -> None:
    lead = world.keep()
    own = lead.model_copy(update={"lead_id": f"ld_{'z' * 26}", "ids": {"click_id": "own", "sub1": "s"}})
    assert world.store.accept(own, phone_hash=None) is None
    assert world.correct(own, {"trading": {"click_id": "c1"}}).lead.ids == {"click_id": "own", "sub1": "s"}
