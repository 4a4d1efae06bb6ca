"""Each check of the books is shown a book that does not balance; and one that does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chaos.balance import CHECKS, violations
from chaos.books import Books, Posted
from leadbridge.leads import delivery as steps
from leadbridge.leads import items
from leadbridge.leads.delivery import Change, Delivery, receive
from leadbridge.leads.items import Entry
from leadbridge.leads.message import about_status, sent, start_sending
from leadbridge.leads.operator_steps import retried
from leadbridge.leads.outbox import message_item
from leadbridge.letters import Letter
from tests.people import NOW, lead

LEAD = lead()
MINUTE = timedelta(minutes=1)
PHONE, EMAIL = "+380500000001", "olena@example.com"
POSTED = Posted("post-1", LEAD.lead_id, PHONE, EMAIL)
DEAL = {"deal_id": 24, "status": "Видано", "clientInfo": {"telephone": "0500000001"}, "history": []}
CREATE = {"operation": "create", "partner": "leadleader", "deal_id": 24, "telephone": "0500000001"}
LETTER = Letter("submit-leadleader", "letter-1", 0, "submit", "the password is wrong", LEAD.lead_id, "leadleader")


def journey(*changes: Change, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What the table holds of the lead after these changes, decoded; `without` some keys."""
    found = [items.lead_item(LEAD, phone_hash=None), items.entry_item(LEAD.lead_id, Entry(NOW, "received"), "0")]
    found.append(items.delivery_item(changes[-1].after if changes else waiting()))
    found += [items.change_entry(change) for change in changes]
    return [values for values in map(items.decode, found) if not values["sk"].endswith(without or ("nothing",))]


def waiting() -> Delivery:
    return receive(LEAD.lead_id, "leadleader", "web", NOW)


def submitted() -> list[Change]:
    begun = steps.start_attempt(waiting(), NOW, MINUTE)
    return [begun, steps.accepted(begun.after, NOW + MINUTE, 24, MINUTE)]


def closed() -> list[Change]:
    """A lead as most are in the end: a deal, its first status, and one more that the person is told."""
    changes = submitted()
    for minutes, status, final in ((2, "В обробці", False), (3, "Видано", True)):
        at = NOW + minutes * MINUTE
        before = changes[-1].after
        changes.append(steps.status_changed(before, at, status, meaning=None, final=final, check_after=MINUTE))
    return changes


def ten_minutes_later() -> list[Change]:
    """What a second worker wrote who did not ask whether somebody was quicker."""
    return [replace(change, at=change.at + 10 * MINUTE) for change in submitted()]


def told(number: int = 5) -> dict[str, Any]:
    """The message about the last status, sent."""
    message = about_status(LEAD.lead_id, "leadleader", number, "Видано", NOW + number * MINUTE)
    done = sent(start_sending(message, NOW, MINUTE).after, NOW + 10 * MINUTE)
    return items.decode(message_item(done.after))


def balanced(**changes: Any) -> Books:
    """A book that balances, but for the changes."""
    read = [{"phone": PHONE, "text": "Видано", "number": 1, "at": "2026-03-01T12:10:00.000Z"}]
    books = Books(posted=[POSTED], table=[*journey(*closed()), told()], calls=[CREATE], deals=[DEAL], sent=read)
    return replace(books, **changes)


def ended(change: Change, *before: Change) -> list[dict[str, Any]]:
    return journey(*before, change)


def failed(reason: str = "the password is wrong") -> list[dict[str, Any]]:
    return ended(steps.gave_up(waiting(), NOW, reason))


def test_a_book_that_balances_has_no_violations() -> None:
    assert violations(balanced()) == []


def unknown_then_made_twice() -> dict[str, Any]:
    """Nobody asked for it, and it was made twice."""
    changes = submitted()
    lost = steps.lost(changes[0].after, NOW + MINUTE, "no answer came back")
    return {"table": journey(changes[0], lost), "calls": [CREATE, {**CREATE, "deal_id": 25}], "sent": []}


def misordered() -> dict[str, Any]:
    older, newer = told(5), told(6)
    return {"table": [*journey(*closed()), {**older, "sent_at": "2026-03-01T13:00:00.000Z"}, newer]}


FOREIGN = {**DEAL, "clientInfo": {"telephone": "0509999999"}}
CLAIM = {"pk": "PERSON#leadleader#phone_hash#x", "sk": "CLAIM", "lead_id": "ld_gone"}
COUNT = {"pk": "RATE#web#1#0", "sk": "COUNT", "leads": 3}
QUOTAS = "quotas_count_every_lead"

UNBALANCED: list[tuple[str, dict[str, Any]]] = [
    ("accepted_leads_are_there", {"table": []}),
    ("accepted_leads_are_there", {"posted": [POSTED, replace(POSTED, lead_id="ld_other")]}),
    ("every_delivery_has_ended", {"table": journey(submitted()[0])}),
    ("every_delivery_has_ended", {"table": journey(*closed(), without=("DELIVERY#leadleader",))}),
    ("nothing_is_in_flight", {"waiting": {"submit-leadleader": 1}}),
    ("timelines_have_no_gaps", {"table": journey(*closed(), without=("#leadleader#000003",))}),
    ("timelines_have_no_gaps", {"table": journey(*closed()[:1], *closed()[2:])}),
    ("timelines_have_no_gaps", {"table": [*journey(*closed()), *journey(*ten_minutes_later())[-2:]]}),
    (
        "the_index_holds_what_can_move",
        {"table": [{**one, "due_at": "2026-03-01T12:00:00Z"} for one in journey(*closed())]},
    ),
    ("failures_have_their_letter", {"table": failed()}),
    ("letters_are_explained", {"letters": [replace(LETTER, lead_id="ld_gone")]}),
    ("letters_are_explained", {"letters": [replace(LETTER, reason="")]}),
    ("letters_are_explained", {"letters": [replace(LETTER, lead_id=None)]}),
    ("failures_have_a_cause", {"failures": {("POST /messages", "answered 500"): 7}}),
    ("a_person_is_sent_once", {"table": [CLAIM]}),
    ("quotas_count_every_lead", {"table": [COUNT], "counted_sources": frozenset({"web"})}),
    ("quotas_count_every_lead", {"counted_sources": frozenset({"web"})}),
    ("every_change_is_told", {"table": journey(*closed())}),
    ("no_message_goes_out_twice", {"sent": [{"phone": PHONE, "text": "Видано"}] * 2}),
    ("no_message_goes_out_twice", {"sent": []}),
    ("messages_come_in_their_order", misordered()),
    ("no_lead_is_created_twice", unknown_then_made_twice()),
    ("submitted_leads_are_at_the_partner", {"deals": []}),
    ("submitted_leads_are_at_the_partner", {"deals": [FOREIGN]}),
    ("whatever_partners_have_is_known", {"deals": [DEAL, {**DEAL, "deal_id": 25}]}),
    ("the_last_status_is_known", {"deals": [{**DEAL, "status": "Погоджено"}]}),
]


@pytest.mark.parametrize(
    ("check", "changes"), UNBALANCED, ids=[f"{name}-{n}" for n, (name, _) in enumerate(UNBALANCED)]
)
def test_what_does_not_hold_is_told_by_its_check(check: str, changes: dict[str, Any]) -> None:
    found = violations(balanced(**changes), [check])
    assert found, check
    assert {violation.check for violation in found} == {check}


def test_a_worker_that_was_struck_may_have_counted_a_lead_that_it_did_not_store() -> None:
    balances = [
        violations(balanced(table=[COUNT], counted_sources=frozenset({"web"}), struck_posts=struck), [QUOTAS])
        for struck in (2, 3, None)
    ]
    assert [bool(found) for found in balances] == [True, False, False]
    uncounted = balanced(counted_sources=frozenset({"web"}), struck_posts=9)
    assert violations(uncounted, [QUOTAS]), "no lead may be stored uncounted, whatever was struck"


def test_every_check_was_shown_something_that_does_not_hold() -> None:
    """What is left of erased people is in test_erased.py."""
    assert {name for name, _ in UNBALANCED} == {name for name in CHECKS if not name.startswith("erased_people")}


def test_a_second_deal_that_a_person_asked_for_is_no_violation() -> None:
    begun = submitted()[0]
    lost = steps.lost(begun.after, NOW + MINUTE, "no answer came back")
    again = retried(lost.after, NOW + 2 * MINUTE, "olena", is_confirmed=True)
    anew = steps.start_attempt(again.after, NOW + 3 * MINUTE, MINUTE)
    done = steps.accepted(anew.after, NOW + 4 * MINUTE, 25, MINUTE)
    deals = [DEAL, {**DEAL, "deal_id": 25}]
    calls = [CREATE, {**CREATE, "deal_id": 25}]
    table = journey(begun, lost, again, anew, done)
    books = balanced(table=table, calls=calls, deals=deals)
    assert violations(books, ["no_lead_is_created_twice", "whatever_partners_have_is_known"]) == []


def test_a_person_whose_two_leads_were_both_sent_by_themselves_is_told() -> None:
    other = "ld_other"
    table = journey(*closed())
    copy = [{**one, "pk": f"LEAD#{other}", "lead_id": other} for one in table]
    books = balanced(
        posted=[POSTED, replace(POSTED, post_id="post-2", lead_id=other)],
        table=[*table, *copy],
        dedup_sources=frozenset({"web"}),
    )
    assert violations(books, ["a_person_is_sent_once"])
