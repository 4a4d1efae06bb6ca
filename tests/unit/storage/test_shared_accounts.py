"""An account in a broker's list whose e-mail two leads have: after the erasure of both nothing points to it."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import product

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.fields.hashes import hashes_of, keyed_hash
from leadbridge.domain.lead import Lead
from leadbridge.domain.transitions import Conflict
from leadbridge.partners.matchtrade.rows import BrokerAccount
from leadbridge.runtime import aws
from leadbridge.services.reconcile_accounts import AccountReconciler, ReconcileCounts
from leadbridge.settings import Settings
from leadbridge.storage.accounts import MAX_EMAILS, AccountRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.fakes.blades import Killed
from quality.testkit.fixtures import TABLE, Time
from quality.testkit.people import NOW, lead
from quality.testkit.services import erasure_races
from quality.testkit.services.erasure_races import Director, Erasure, die, directed, everything

BROKER, UUID = "matchtrade", "u-1"
ONE, OTHER = (lead(number).model_copy(update={"partners": (BROKER,)}) for number in (1, 2))
EMAIL, LATER_EMAIL = ONE.person.email, "olena.new@example.com"
IN_MEMORY = pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)


def hashed(value: str) -> str:
    return keyed_hash("k", value)


def repository() -> AccountRepository:
    return AccountRepository(Table(aws.dynamodb(), TABLE), BROKER, hashed)


def keep(email: str | None = EMAIL) -> None:
    """Store the account, as a sync that finds no lead of it does."""
    before = repository().accounts([UUID]).get(UUID)
    known_by = () if before is None else before.known_by
    repository().store([StoredAccount(UUID, NOW, email=email, name="Олена", known_by=known_by)])


def accept(store: LeadRepository, *leads: Lead) -> None:
    for one in leads:
        store.accept(one, **hashes_of(one, hashed))


def link(store: LeadRepository, one: Lead) -> None:
    """Submit a lead, whose account is the one in the list."""
    waiting = store.delivery(one.lead_id, BROKER)
    assert waiting is not None
    begun = store.apply(steps.start_attempt(waiting, NOW, timedelta(minutes=1)))
    store.apply(steps.confirm(begun, NOW, UUID, is_followed=False))


def sync(store: LeadRepository, settings: Settings, name: str) -> None:
    row = BrokerAccount.of({"uuid": UUID, "email": EMAIL, "name": name, "created": "2026-03-01T12:00:00Z"})
    reconciler = AccountReconciler(BROKER, repository(), store, settings.partners[BROKER], lambda: NOW)
    with suppress(Conflict):
        reconciler.reconcile([row], NOW - timedelta(days=1), ReconcileCounts())


def erase(*leads: Lead) -> None:
    for one in leads:
        erasure = Erasure(one.lead_id, Time())
        erasure()
        assert erasure.is_done


def remains() -> list[str]:
    """The account, pointers to it, and hashes of its e-mail."""
    texts = [erasure_races.texts_of(values) for values in everything()]
    marks = ("TRACE#", '"sk": "ACCOUNT"', hashed(str(EMAIL)), str(EMAIL), hashed(LATER_EMAIL), LATER_EMAIL)
    return [text for text in texts if any(mark in text for mark in marks)]


def repeat(director: Director, erasure: Erasure) -> None:
    for _ in range(2):
        if not erasure.is_done:
            director.play(erasure)
    assert erasure.is_done


@IN_MEMORY
@pytest.mark.parametrize("linked", [None, ONE, OTHER], ids=["no link", "linked to the first", "linked to the second"])
def test_two_leads_that_are_erased_at_the_same_time_leave_nothing(linked: Lead | None, store: LeadRepository) -> None:
    keep()
    accept(store, ONE, OTHER)
    if linked is not None:
        link(store, linked)
        keep()
    state = erasure_races.saved()
    with directed() as director:
        calls = director.play(Erasure(ONE.lead_id, Time()))
        for at, is_killed in product(range(1, calls + 1), (False, True)):
            erasure_races.restore(state)
            one, other = Erasure(ONE.lead_id, Time()), Erasure(OTHER.lead_id, Time())

            def meet(other: Erasure = other, is_killed: bool = is_killed) -> None:
                other()
                if is_killed:
                    raise Killed

            with suppress(Killed):
                director.play(one, at, meet)
            repeat(director, other)
            repeat(director, one)
            assert remains() == [], f"before call {at} of {calls}, killed: {is_killed}"


@IN_MEMORY
@pytest.mark.parametrize("has_other", [False, True], ids=["only lead", "with another lead"])
@pytest.mark.parametrize("is_linked", [False, True], ids=["no link", "linked"])
def test_sync_that_is_killed_after_it_met_an_erasure_leaves_nothing(
    is_linked: bool, has_other: bool, store: LeadRepository, shipped_settings: Settings
) -> None:
    """The next sync of the account, or the erasure of the person's other lead, deletes what it left."""
    keep()
    accept(store, ONE)
    if is_linked:
        link(store, ONE)
    state = erasure_races.saved()
    with directed() as meets, directed() as kills:

        def flow() -> None:
            sync(store, shipped_settings, "Ольга")

        calls = kills.play(flow)
        for met_at in range(1, calls + 1):
            for killed_at in range(met_at + 1, calls + 2):
                erasure_races.restore(state)
                erasure = Erasure(ONE.lead_id, Time())

                def erase_one(erasure: Erasure = erasure) -> None:
                    kills.play(erasure)  # its calls are not counted

                def meet(met_at: int = met_at, erase_one: Callable[[], None] = erase_one) -> None:
                    meets.play(flow, met_at, erase_one)

                with suppress(Killed):
                    kills.play(meet, killed_at, die)
                assert erasure.is_done
                if has_other:
                    accept(store, OTHER)
                sync(store, shipped_settings, "Ольга")
                if has_other:
                    erase(OTHER)
                assert remains() == [], f"met before call {met_at}, killed before call {killed_at} of {calls}"


@IN_MEMORY
def test_pointer_to_the_account_of_an_erased_lead_goes_with_the_other_lead(store: LeadRepository) -> None:
    accept(store, ONE, OTHER)
    link(store, ONE)
    keep()
    pointer = next(values for values in everything() if values["pk"].startswith("TRACE#"))
    erase(ONE)
    assert not [values for values in everything() if values["pk"].startswith("TRACE#")]
    Table(aws.dynamodb(), TABLE).batch_write([put(pointer)])  # by a sync that was killed before it wrote the account
    erase(OTHER)
    assert remains() == []


@IN_MEMORY
@pytest.mark.parametrize(("first", "then"), [(EMAIL, LATER_EMAIL), (LATER_EMAIL, EMAIL)])
@pytest.mark.parametrize("is_linked", [False, True], ids=["no link", "linked"])
def test_account_whose_email_changed_goes_with_all_pointers(
    first: str, then: str, is_linked: bool, store: LeadRepository
) -> None:
    keep(first)
    accept(store, ONE)
    if is_linked:
        link(store, ONE)
    keep(then)
    assert len([values for values in everything() if values["pk"].startswith("TRACE#")]) == 2
    erase(ONE)
    assert remains() == []


@IN_MEMORY
def test_account_with_many_emails_has_pointers_of_the_latest(store: LeadRepository) -> None:
    emails = [f"olena.{number}@example.com" for number in range(MAX_EMAILS + 3)]
    for email in emails:
        keep(email)
    pointers = {values["pk"].rpartition("#")[2] for values in everything() if values["pk"].startswith("TRACE#")}
    assert pointers == {hashed(email) for email in emails[-MAX_EMAILS:]}
