"""What an erasure finds beyond the lead's own items, in how many steps, and what it leaves to others."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.accounts.account import StoredAccount
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.fetch import complete, new_fetch
from leadbridge.domain.fields.hashes import hashes_of, keyed_hash
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import Message, operator_message
from leadbridge.domain.recipient import Contact
from leadbridge.domain.timeline import Entry
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime import aws
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.claims import ClaimRepository
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.items import decode, delivery_item, encode
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.leeloo_events import LeelooEvent, LeelooEventRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE
from quality.testkit.people import NOW, lead

LENDER, BROKER = "leadleader", "matchtrade"
EMAIL, PHONE, MINUTE = "olena@example.com", "+380500000001", timedelta(minutes=1)
ONE, OTHER = lead(1), lead(2)


def hashed(value: str) -> str:
    return keyed_hash("k", value)


def accept(store: LeadRepository, one: Lead = ONE) -> Lead:
    store.accept(one, **hashes_of(one, hashed))
    return one


def erase(one: Lead = ONE) -> None:
    Eraser(Table(aws.dynamodb(), TABLE)).erase(one.lead_id, "olena", NOW)


def everything() -> list[dict[str, Any]]:
    pages = aws.dynamodb().get_paginator("scan").paginate(TableName=TABLE)
    return [decode(item) for page in pages for item in page["Items"]]


def text() -> str:
    return json.dumps(everything(), ensure_ascii=False, default=str)


def book() -> AccountRepository:
    return AccountRepository(Table(aws.dynamodb(), TABLE), BROKER, hashed)


def outbox() -> MessageRepository:
    return MessageRepository(Table(aws.dynamodb(), TABLE))


def keep(uuid: str, email: str = EMAIL, lead_id: str | None = None) -> None:
    book().store([StoredAccount(uuid, NOW, email=email, name="Олена", lead_id=lead_id)])


def tell(order: str, **data: Any) -> tuple[bool, str | None]:
    content = {"type": "ORDER", "data": {"order_id": order, **data}}
    event = LeelooEvent.of(content, json.dumps(content, ensure_ascii=False).encode())
    return LeelooEventRepository(Table(aws.dynamodb(), TABLE), hashed, lambda: NOW).store(event)


def to_account(account_id: str, now: datetime = NOW, tie: str = "x") -> Message:
    return operator_message(
        account_id, now, tie, account_id=account_id, template_id=None, text="Добрий день", variables={}
    )


def delivery(store: LeadRepository, partner: str = LENDER, one: Lead = ONE) -> Delivery:
    found = store.delivery(one.lead_id, partner)
    assert found is not None
    return found


# Deliveries and claims


def test_second_erasure_ends_a_delivery_that_an_erased_lead_still_has(store: LeadRepository) -> None:
    accept(store)
    erase()
    stray = replace(steps.new_delivery(ONE.lead_id, BROKER, "web", NOW), account_uuid="u-1")
    aws.dynamodb().put_item(TableName=TABLE, Item=encode(delivery_item(stray)))
    erase()
    ended = delivery(store, BROKER)
    assert (ended.state, ended.is_erased, ended.due_at, ended.account_uuid) == (State.FAILED, True, None, None)
    assert book().links(["u-1"]) == {"u-1": None}


def test_lead_that_is_fetched_while_it_is_erased_is_read_again(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the hashes find goes, too, although the lead that was read first had none."""
    tell("before", phone=PHONE)
    named = Lead(lead_id=ONE.lead_id, source="meta-credit", received_at=NOW, partners=())
    fetch = new_fetch(named.lead_id, "meta-credit", {"leadgen_id": "1"}, NOW)
    store.accept(named, phone_hash=None, fetch=fetch)
    closing = Eraser._closing
    done: list[bool] = []

    def slowly(eraser: Eraser, *arguments: Any) -> list[Any]:
        if not done:
            done.append(True)
            deliveries = [steps.new_delivery(ONE.lead_id, LENDER, "meta-credit", NOW)]
            arrivals = FetchRepository(Table(aws.dynamodb(), TABLE))
            arrivals.complete(complete(fetch, NOW), ONE, deliveries, **hashes_of(ONE, hashed))
        return closing(eraser, *arguments)

    monkeypatch.setattr(Eraser, "_closing", slowly)
    erase()
    assert delivery(store).is_erased
    assert PHONE not in text()
    assert hashed(PHONE) not in text()


def many_partners(store: LeadRepository, number: int) -> Lead:
    """A lead with an account and two claims at each of many partners."""
    names = tuple(f"broker-{one:02}" for one in range(number))
    wide = accept(store, ONE.model_copy(update={"partners": names[:20]}))
    claims = ClaimRepository(Table(aws.dynamodb(), TABLE))
    for name in names:
        made = replace(
            steps.new_delivery(wide.lead_id, name, "web", NOW), state=State.SUBMITTED, account_uuid=f"u-{name}"
        )
        aws.dynamodb().put_item(TableName=TABLE, Item=encode(delivery_item(made)))
        claims.first(made, timedelta(days=30), timedelta(days=30))
    aws.dynamodb().update_item(
        TableName=TABLE,
        Key=encode({"pk": f"LEAD#{wide.lead_id}", "sk": "LEAD"}),
        UpdateExpression="SET partners = :partners",
        ExpressionAttributeValues=encode({":partners": list(names)}),
    )
    return wide


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto takes seconds for so many
@pytest.mark.parametrize("number", [19, 60])
def test_lead_with_many_partners_is_erased_in_transactions_of_a_hundred_items(
    number: int, store: LeadRepository
) -> None:
    """DynamoDB accepts no more than 100."""
    wide = many_partners(store, number)
    assert len([one for one in everything() if one["sk"] == "CLAIM"]) == 2 * number
    erase(wide)
    left = everything()
    assert [one for one in left if one["sk"] == "CLAIM"] == []
    deliveries = [one for one in left if one["sk"].startswith("DELIVERY#")]
    assert len(deliveries) == number
    assert all(one["is_erased"] for one in deliveries)
    assert not any(name.endswith("_hash") for one in left for name in one)


def test_claim_of_another_lead_of_the_person_stays(store: LeadRepository) -> None:
    accept(store)
    accept(store, OTHER)
    claims = ClaimRepository(Table(aws.dynamodb(), TABLE))
    claims.first(delivery(store, one=OTHER), timedelta(days=30), timedelta(days=30))
    erase()
    assert {one["lead_id"] for one in everything() if one["sk"] == "CLAIM"} == {OTHER.lead_id}


def test_nothing_is_noted_in_the_timeline_of_an_erased_lead(store: LeadRepository) -> None:
    accept(store)
    assert store.note(ONE.lead_id, Entry(NOW, "revealed", None, "by olena"), "1")
    erase()
    assert not store.note(ONE.lead_id, Entry(NOW, "message_requested", None, "by olena: Олена"), "2")
    assert not store.note("ld_unknown", Entry(NOW, "revealed", None, "by olena"), "3")
    assert "message_requested" not in text()


def test_what_a_timeline_entry_says_beside_its_code_is_erased(store: LeadRepository) -> None:
    accept(store)
    entry = {"pk": f"LEAD#{ONE.lead_id}", "sk": "EVENT#2026#x", "at": "2026-03-01T12:00:00.000Z", "what": "corrected"}
    aws.dynamodb().put_item(TableName=TABLE, Item=encode({**entry, "data": {"phone": PHONE}}))
    erase()
    assert PHONE not in text()
    assert "corrected" in text()


# Messages to an account


def test_ids_of_the_click_go_with_the_person(store: LeadRepository) -> None:
    accept(store, ONE.model_copy(update={"ids": {"gclid": "Cj0KCQ", "sub1": "spring"}}))
    assert "Cj0KCQ" in text()
    erase()
    assert not any(value in text() for value in ("Cj0KCQ", "spring"))


def test_messages_to_an_account_go_with_the_person_it_turned_out_to_be(store: LeadRepository) -> None:
    outbox().add(to_account("acc-1"))
    outbox().add(to_account("acc-2"))
    outbox().add(to_account("acc-3"))
    accept(store)
    outbox().remember(ONE.lead_id, Contact("acc-1", lead_received_at=NOW))
    outbox().forget(ONE.lead_id)  # it could not be written to
    outbox().remember(ONE.lead_id, Contact("acc-2", lead_received_at=NOW))
    erase()
    assert [len(outbox().messages(account)) for account in ("acc-1", "acc-2", "acc-3")] == [0, 0, 1]
    assert "acc-1" not in text()
    assert "acc-2" not in text()


def test_message_to_an_account_is_refused_for_an_hour_after_the_erasure(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    accept(store)
    outbox().remember(ONE.lead_id, Contact("acc-1", lead_received_at=NOW))
    erase()
    with pytest.raises(Conflict):
        outbox().add(to_account("acc-1"))
    assert outbox().messages("acc-1") == []
    moment = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: moment)
    assert outbox().add(to_account("acc-1"))


# Items of no lead


def test_event_that_came_before_the_lead_goes_with_the_person(store: LeadRepository) -> None:
    tell("by phone", phone=PHONE, email="second@example.com")
    tell("by e-mail", email=EMAIL)
    tell("by account", account_id="acc-1", text="Олена")
    tell("another's", phone="+380671112233")
    accept(store)
    outbox().remember(ONE.lead_id, Contact("acc-1", lead_received_at=NOW))
    erase()
    assert not [word for word in ("second@", EMAIL, "acc-1", "Олена", hashed("second@example.com")) if word in text()]
    assert "+380671112233" in text()
    assert tell("by phone", phone=PHONE) == (False, None), "it is still known as one that came"


@pytest.mark.parametrize("erases", [1, 2, 3])
def test_of_an_event_that_meets_the_erasure_only_its_coming_is_kept(
    erases: int, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = [accept(store, lead(number)) for number in range(10, 10 + erases)]
    find = LeelooEventRepository._lead_of

    def slowly(inbox: LeelooEventRepository, event: LeelooEvent) -> str | None:
        lead_id = find(inbox, event)
        for one in leads:
            if one.lead_id == lead_id:
                erase(one)
        return lead_id

    monkeypatch.setattr(LeelooEventRepository, "_lead_of", slowly)
    assert tell("now", phone=PHONE) == (True, None)
    assert PHONE not in text()


def test_event_that_meets_the_erasure_of_one_lead_goes_to_the_persons_other_one(
    store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(store)
    newer = accept(store, lead(3, received_at=NOW + MINUTE))
    find = LeelooEventRepository._lead_of

    def slowly(inbox: LeelooEventRepository, event: LeelooEvent) -> str | None:
        lead_id = find(inbox, event)
        if lead_id == newer.lead_id:
            erase(newer)
        return lead_id

    monkeypatch.setattr(LeelooEventRepository, "_lead_of", slowly)
    assert tell("now", phone=PHONE) == (True, ONE.lead_id)


def test_account_that_was_never_tied_goes_with_the_person_and_is_not_kept_again(store: LeadRepository) -> None:
    keep("u-1")
    keep("u-2", email="other@example.com")
    accept(store)
    erase()
    assert set(book().accounts(["u-1", "u-2"])) == {"u-2"}
    assert book().links(["u-1", "u-2"]) == {"u-1": None}
    keep("u-1", email="new@example.com")
    assert set(book().accounts(["u-1", "u-2"])) == {"u-2"}
    assert "new@" not in text()
    assert hashed("new@example.com") not in text()


def test_account_of_a_person_with_another_lead_goes_with_the_last_of_them(store: LeadRepository) -> None:
    keep("u-1")
    accept(store)
    accept(store, OTHER)
    erase()
    assert set(book().accounts(["u-1"])) == {"u-1"}
    assert book().links(["u-1"]) == {}, "the other lead may still turn out to have made it"
    erase(OTHER)
    assert EMAIL not in text()
    assert hashed(EMAIL) not in text()


def test_account_that_is_tied_to_another_lead_of_the_person_stays(store: LeadRepository) -> None:
    accept(store)
    other = accept(store, OTHER.model_copy(update={"partners": (BROKER,)}))
    begun = store.apply(steps.start_attempt(delivery(store, BROKER, other), NOW, MINUTE))
    store.apply(steps.confirm(begun, NOW, "u-1", is_followed=False))
    keep("u-1", lead_id=other.lead_id)
    erase()
    assert book().links(["u-1"]) == {"u-1": other.lead_id}
    assert set(book().accounts(["u-1"])) == {"u-1"}


def test_account_of_an_erased_lead_is_not_kept_again_for_the_persons_other_lead(store: LeadRepository) -> None:
    accept(store, ONE.model_copy(update={"partners": (BROKER,)}))
    begun = store.apply(steps.start_attempt(delivery(store, BROKER), NOW, MINUTE))
    store.apply(steps.confirm(begun, NOW, "u-1", is_followed=False))
    accept(store, OTHER)
    erase()
    keep("u-1")
    assert book().accounts(["u-1"]) == {}


def keep_after_look_up(uuid: str) -> None:
    accounts = book()
    accounts.leads_of(EMAIL)
    accounts.store([StoredAccount(uuid, NOW, email=EMAIL, name="Олена")])


MEANWHILE: dict[str, Callable[[], None]] = {
    "by its lead": lambda: keep("u-1", email="another@example.com", lead_id=ONE.lead_id),
    "by its e-mail": lambda: keep_after_look_up("u-2"),
    "by its tie": lambda: keep("u-1", email="another@example.com"),
}


@pytest.mark.parametrize("how", MEANWHILE)
def test_account_is_not_written_back_behind_an_erasure(
    how: str, store: LeadRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader = accept(store, ONE.model_copy(update={"partners": (BROKER,)}))
    begun = store.apply(steps.start_attempt(delivery(store, BROKER), NOW, MINUTE))
    store.apply(steps.confirm(begun, NOW, "u-1", is_followed=False))
    owners = AccountRepository._owners

    def slowly(accounts: AccountRepository, account: StoredAccount) -> list[str]:
        found = owners(accounts, account)
        erase(trader)
        return found

    monkeypatch.setattr(AccountRepository, "_owners", slowly)
    MEANWHILE[how]()
    assert book().accounts(["u-1", "u-2"]) == {}
    assert [one for one in everything() if one["pk"].startswith("TRACE#")] == []
