"""What is left of somebody erased is told, wherever it lies; and the product's own erasure leaves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from leadbridge.domain.clock import to_text
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.timeline import Entry
from leadbridge.storage import items
from leadbridge.storage.claims import claim_keys
from quality.chaos.checks import violations
from quality.chaos.records import Snapshot
from quality.testkit.chaos.erasures import ERASED_AT, erased
from quality.testkit.chaos.snapshots import CREATE, DEAL, EMAIL, LEAD, PHONE, balanced, closed, journey, sent_message
from quality.testkit.people import NOW

CHECKS = ("erased_people_leave_no_data", "erased_people_get_no_messages")
ACCOUNT = {"pk": "ACCOUNT#matchtrade#u-1", "sk": "ACCOUNT", "uuid": "u-1", "email": EMAIL, "phone": PHONE}
LINK = {"pk": "ACCOUNT#matchtrade#u-1", "sk": "LINK", "lead_id": LEAD.lead_id}
MARKER = {"pk": "LEELOO#k", "sk": "EVENT", "lead_id": LEAD.lead_id, "received_at": "2026-03-01T12:00:00.000Z"}
BESIDE = {"pk": f"LEAD#{LEAD.lead_id}", "sk": "LEELOO#k", "type": "ORDER", "body": EMAIL}
CONTACT = {"pk": f"LEAD#{LEAD.lead_id}", "sk": "CONTACT", "lead_id": LEAD.lead_id, "account_id": "a-1"}
CLAIM = {**claim_keys({"phone_hash": "h"}, ("leadleader",))[0], "lead_id": LEAD.lead_id}
ORPHAN = {"pk": "LEAD#ld_nobody", "sk": "CONTACT", "phone": PHONE}
FETCH = {
    "pk": f"LEAD#{LEAD.lead_id}",
    "sk": "FETCH",
    "state": "pending",
    "keys": {"leadgen_id": "7"},
    **{name: getattr(new_fetch(LEAD.lead_id, "web", {}, NOW), name) for name in ("lead_id", "source", "version")},
    "attempts": 0,
    "received_at": "2026-03-01T12:00:00.000Z",
}
PROBLEM = {"field": "person.phone", "code": "not_a_phone", "message": "is no phone number"}
INCOMPLETE = LEAD.model_copy(update={"problems": (FieldError("person.phone", FieldCode.NOT_A_PHONE),)})


@cache
def before() -> list[dict[str, Any]]:
    """A lead with a deal, a message, an event and a contact, found by its hashes, and with a claim on its person."""
    found = [*journey(*closed()), sent_message(), BESIDE, MARKER, CONTACT, CLAIM]
    return [{**one, "phone_hash": "h"} if one["sk"] == "LEAD" else one for one in found]


@cache
def left() -> list[dict[str, Any]]:
    """What the product leaves of it."""
    return erased(LEAD, before())


def after(**changes: Any) -> Snapshot:
    """The snapshot after the erasure, but for the changes."""
    read = [{"phone": PHONE, "text": "Видано", "number": 1, "at": to_text(NOW)}]
    to_be_erased = frozenset({LEAD.lead_id})
    return balanced(
        **{
            "table": left(),
            "calls": [CREATE],
            "partner_records": [DEAL],
            "sent_messages": read,
            "to_be_erased": to_be_erased,
        }
        | changes
    )


def test_what_the_product_leaves_of_a_person_balances() -> None:
    assert [values["sk"] for values in left() if values["pk"].startswith("PERSON#")] == []
    assert violations(after()) == []


def with_changed(sk: str, **values: Any) -> list[dict[str, Any]]:
    """The table, with something more in what the product left."""
    assert any(one["sk"] == sk for one in left())
    return [{**one, **values} if one["sk"] == sk else one for one in left()]


def quoted() -> list[dict[str, Any]]:
    entry = items.entry_item(LEAD.lead_id, Entry(NOW, "leeloo_order", "leeloo", "Курс 100 UAH"), "k")
    return [*left(), entry]


def with_data(what: str, **data: Any) -> list[dict[str, Any]]:
    entry = items.entry_item(LEAD.lead_id, Entry(NOW, what, data=data), "k")
    return [*left(), entry]


LEFT: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "there is MESSAGE#": lambda: [*left(), sent_message()],
    "there is CONTACT": lambda: [*left(), CONTACT],
    "there is LEELOO#k": lambda: [*left(), BESIDE],
    "there is FETCH": lambda: [*left(), FETCH],
    "it has the person's data": lambda: with_changed("LEAD", person={"full_name": "Олена"}),
    "it has answers": lambda: with_changed("LEAD", answers={"your-phone": "у вайбері, кімната 1"}),
    "it has problems": lambda: with_changed("LEAD", problems=[PROBLEM]),
    "there is INCOMPLETE": lambda: [*left(), items.incomplete_item(INCOMPLETE)],
    "its delivery to leadleader is not": lambda: with_changed("DELIVERY#leadleader", is_erased=False),
    "its delivery to leadleader has an id": lambda: with_changed("DELIVERY#leadleader", deal_id=24),
    "its timeline has the detail: leeloo_order": quoted,
    "its timeline has the data: leeloo_event": lambda: with_data("leeloo_event", type="Курс"),
    "its timeline has the data: dead_letter_discarded": lambda: with_data(
        "dead_letter_discarded", operator="olena", fields=["x"]
    ),
    "LEAD has data of it": lambda: with_changed("LEAD", phone_hash="h"),
    "DELIVERY#leadleader has data of it": lambda: with_changed("DELIVERY#leadleader", last_error=f"{PHONE} is wrong"),
    "CLAIM has data of it": lambda: [*left(), CLAIM],
    "ACCOUNT has data of it": lambda: [*left(), {**LINK, "is_erased": True}, ACCOUNT],
    "LINK has data of it": lambda: [*left(), LINK],
    "LEELOO#k EVENT has data of it": lambda: [*with_changed("EVENT", body=EMAIL)],
    "LEAD#ld_nobody CONTACT has data of it": lambda: [*left(), ORPHAN],
    "should be erased, and is not": before,
}


@pytest.mark.parametrize("what", LEFT)
def test_what_remains_of_a_person_erased_is_reported(what: str) -> None:
    found = violations(after(table=LEFT[what]()), CHECKS)
    assert [one.what for one in found if what in one.what], found
    assert {one.lead_id for one in found} == {LEAD.lead_id}


def test_who_did_what_with_a_dead_letter_may_stay() -> None:
    table = with_data("dead_letter_redriven", operator="olena", step="submit", dead_letter_id="letter-1")
    assert violations(after(table=table), CHECKS) == []


def test_what_was_never_tied_to_the_lead_may_stay() -> None:
    event = {"pk": "LEELOO#x", "sk": "EVENT", "type": "ORDER", "body": EMAIL}
    assert violations(after(table=[*left(), ACCOUNT, event]), CHECKS) == []


def test_an_account_that_is_not_to_be_kept_again_may_be_known_by_its_number() -> None:
    assert violations(after(table=[*left(), {**LINK, "is_erased": True}]), CHECKS) == []


def test_a_tie_may_stay_whose_delivery_expired_before_the_person_was_erased() -> None:
    table = [one for one in left() if not one["sk"].startswith("DELIVERY#")]
    tie = {"pk": "DEAL#leadleader#24", "sk": "LINK", "lead_id": LEAD.lead_id, "expires_at": 1}
    assert violations(after(table=[*table, tie]), CHECKS) == []
    assert violations(after(table=[*left(), tie]), CHECKS) != []


@pytest.mark.parametrize(("seconds", "is_allowed"), [(-1, True), (1, False)])
def test_what_has_expired_may_stay_until_dynamodb_deletes_it(seconds: int, is_allowed: bool) -> None:
    claim = {**CLAIM, "expires_at": int(NOW.timestamp()) + seconds}
    assert (violations(after(table=[*left(), claim], now=NOW), CHECKS) == []) is is_allowed


def test_an_account_may_stay_whose_lead_expired_before_the_person_was_erased() -> None:
    account = {**ACCOUNT, "lead_id": LEAD.lead_id, "email": EMAIL}
    table = [*left(), account]
    assert violations(replace(after(table=table), expired=frozenset({LEAD.lead_id})), CHECKS) == []
    assert violations(after(table=table), CHECKS) != []


@pytest.mark.parametrize("known_by", [PHONE, EMAIL, "3068208400"])
def test_a_hash_of_a_person_erased_is_reported_everywhere(known_by: str) -> None:
    posted = [replace(one, tax_number="3068208400") for one in after().posted]
    marker = {"pk": f"CONTENT#{keyed_hash('a-key', known_by)}", "sk": "CONTENT"}
    snapshot = after(table=[*left(), marker], posted=posted, index_key="a-key")
    assert violations(snapshot, CHECKS)
    assert violations(replace(snapshot, index_key="another-key"), CHECKS) == []


def test_what_an_erased_person_typed_is_reported_everywhere() -> None:
    typed = {"person.phone": "у вайбері, кімната 7"}
    posted = [replace(one, typed=typed, unusable=frozenset(typed)) for one in after().posted]
    kept = {"pk": "CONTENT#web#digest", "sk": "CONTENT", "answer": "У вайбері, кімната 7"}
    assert violations(after(table=[*left(), kept], posted=posted), CHECKS)
    assert violations(after(posted=posted), CHECKS) == []


def test_what_finds_the_tombstone_by_a_posts_content_may_stay_if_it_says_nothing() -> None:
    claim = {"pk": "CONTENT#web#digest", "sk": "CONTENT", "lead_id": LEAD.lead_id, "received_at": to_text(NOW)}
    assert violations(after(table=[*left(), {**claim, "expires_at": 1}]), CHECKS) == []
    assert violations(after(table=[*left(), {**claim, "person": {"full_name": "Олена"}}]), CHECKS) != []


def test_what_another_lead_of_the_same_person_holds_is_its_own() -> None:
    other = LEAD.model_copy(update={"lead_id": "ld_other"})
    table = [*left(), items.lead_item(other, phone_hash="h")]
    posted = [*after().posted, replace(after().posted[0], post_id="post-2", lead_id="ld_other")]
    assert violations(after(table=table, posted=posted), CHECKS) == []


@pytest.mark.parametrize(("later", "is_reported"), [(timedelta(seconds=30), False), (timedelta(minutes=2), True)])
def test_message_sent_after_the_erasure_is_reported(later: timedelta, is_reported: bool) -> None:
    sent = [{"phone": PHONE, "text": "Видано", "at": to_text(ERASED_AT + later)}]
    found = violations(after(sent_messages=sent), ["erased_people_get_no_messages"])
    assert bool(found) is is_reported
    assert all("got a message at" in one.what for one in found)


def test_pointer_to_an_account_may_stay_while_another_lead_has_its_email() -> None:
    """It goes with the last of them, and with the lead that the account is linked to."""
    pointer = {"pk": f"TRACE#email_hash#{keyed_hash('a-key', EMAIL)}", "sk": ACCOUNT["pk"]}
    table = [*left(), pointer]
    other = [replace(one, lead_id="ld_other") for one in after().posted]
    shared = after(table=table, posted=[*after().posted, *other], index_key="a-key")
    assert violations(shared, CHECKS) == []
    assert violations(
        after(table=[*table, {**LINK, "is_erased": True}], posted=shared.posted, index_key="a-key"), CHECKS
    )
    assert violations(after(table=table, index_key="a-key"), CHECKS)
    assert violations(replace(shared, to_be_erased=frozenset({LEAD.lead_id, "ld_other"})), CHECKS)


@pytest.mark.parametrize(("seconds", "is_allowed"), [(-1, False), (1, True)])
def test_pointer_to_an_account_that_was_listed_after_the_erasure_may_stay(seconds: int, is_allowed: bool) -> None:
    pointer = {"pk": f"TRACE#email_hash#{keyed_hash('a-key', EMAIL)}", "sk": ACCOUNT["pk"]}
    account = {**ACCOUNT, "first_seen_at": to_text(ERASED_AT + timedelta(seconds=seconds))}
    found = violations(after(table=[*left(), pointer, account], index_key="a-key"), CHECKS)
    assert (found == []) is is_allowed
