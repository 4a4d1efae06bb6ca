"""Each check of the snapshot is shown a book that does not balance; and one that does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain.admission import Wait, WaitReason, wait_for_partner
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import State, new_delivery
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.feedback.postback import Postback, postbacks_of
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.operator_steps import retry_by_operator
from leadbridge.domain.repeats import Repeat, apply_repeat
from leadbridge.domain.statistics.contribution import CountedLead
from leadbridge.domain.timeline import Entry
from leadbridge.settings import Settings, Source, self_check
from leadbridge.settings.intake import Intake
from leadbridge.storage import items
from leadbridge.storage.feedback.postbacks import postback_item
from leadbridge.storage.links import cap_key
from leadbridge.storage.statistics.counted import counted_item
from leadbridge.storage.statistics.records import lead_change
from quality.chaos.checks import CHECKS, violations
from quality.chaos.records import Correction, Create, Pause
from quality.testkit.chaos.snapshots import (
    ANSWER,
    ANSWERED,
    CREATE,
    DEAL,
    LEAD,
    LETTER,
    MINUTE,
    PHONE,
    POSTED,
    balanced,
    chosen,
    closed,
    ended,
    failed,
    journey,
    sent_message,
    submitted,
    ten_minutes_later,
    waiting,
)
from quality.testkit.fakes.errors import some_error
from quality.testkit.people import NOW
from quality.testkit.template import ROOT
from tools.config import read_toml


def test_a_book_that_balances_has_no_violations() -> None:
    assert violations(balanced()) == []


def unknown_then_made_twice() -> dict[str, Any]:
    """Nobody asked for it, and it was made twice."""
    changes = submitted()
    lost = steps.mark_unknown(changes[0].after, NOW + MINUTE, some_error("no answer came back"))
    return {"table": journey(changes[0], lost), "calls": [CREATE, {**CREATE, "deal_id": 25}], "sent_messages": []}


def misordered(*more: dict[str, Any]) -> dict[str, Any]:
    older, newer = sent_message(5), sent_message(6)
    return {"table": [*journey(*closed()), {**older, "sent_at": "2026-03-01T13:00:00.000Z"}, newer, *more]}


def redriven() -> dict[str, Any]:
    """An operator put the letter of an older message back, after a newer one was sent."""
    entry = Entry(NOW, "message_retry_requested", "leeloo", "Погоджено, by anna")
    return misordered(items.entry_item(LEAD.lead_id, entry, "m"))


def lost() -> list[dict[str, Any]]:
    """A delivery that is unknown."""
    begun = submitted()[0]
    return journey(begun, steps.mark_unknown(begun.after, NOW + MINUTE, some_error("no answer came back")))


def unknown(**changes: Any) -> dict[str, Any]:
    """The partner answered, and the delivery is unknown all the same; but for the changes."""
    return {"table": lost(), "calls": [{**CREATE, **changes}], "creates": [ANSWERED], "sent_messages": []}


REFUSED = {"deal_id": None, "status": 400, "fault": {"id": "f", "kind": "answer"}}
PARTNERS = Settings.model_validate(read_toml(ROOT / "config", "prod")).partners
ORDERED = LEAD.model_copy(update={"fallbacks": {"leadleader": "matchtrade"}})


def rejected() -> dict[str, Any]:
    """The first partner of an order rejected a lead that the next one can take, and that one never got it."""
    begun = submitted()[0]
    table = ended(steps.reject(begun.after, NOW + MINUTE, some_error("the partner refused it")), begun)
    lead_item = items.lead_item(ORDERED, phone_hash=None)
    return {"table": [lead_item if one["sk"] == "LEAD" else one for one in table], "partners": PARTNERS}


FIRST = "ld_first"


def repeat_of(state: State, **changes: Any) -> list[dict[str, Any]]:
    """A duplicate of a first lead that is in this state."""
    first = new_delivery(FIRST, "leadleader", "web", NOW)
    table = ended(apply_repeat(waiting(), NOW, FIRST, Repeat.MARK))
    other = LEAD.model_copy(update={"lead_id": FIRST})
    served = items.delivery_item(replace(first, state=state, **changes))
    return [*table, items.lead_item(other, phone_hash=None), served]


def expiring(days: int, **changes: Any) -> list[dict[str, Any]]:
    """A lead whose own item expires so many days after what belongs to it."""
    ends = int(NOW.timestamp()) + 400 * 86_400
    return [
        {**one, "expires_at": ends + days * 86_400 if one["sk"] == "LEAD" else ends, **changes}
        for one in journey(*closed())
    ]


FOREIGN = replace(DEAL, person={"phone": "0509999999"})
CLAIM = {"pk": "PERSON#leadleader#phone_hash#x", "sk": "CLAIM", "lead_id": "ld_gone"}
COUNT = {"pk": "RATE#web#1#0", "sk": "COUNT", "leads": 3}
QUOTAS = "quotas_count_every_lead"

VALUES = {"person.full_name": "Прикладенко Олена Іванівна", "person.phone": PHONE, "loan.amount": "6000"}
REFUSED_POST = replace(POSTED, post_id="post-2", lead_id="", source="web")
UNREAD = FieldError("person.phone", FieldCode.NOT_A_PHONE)


def web(to: Iterable[Any] = ("leadleader", "matchtrade"), **changes: Any) -> dict[str, Any]:
    """The source `web`, which keeps what no partner can take; but for the changes."""
    settings = {"adapter": "standard_webhooks", "on_invalid": "keep", "partners": [{"to": [*to]}], **changes}
    return {"sources": {"web": Source.model_validate(settings)}}


COUNTED = web(per_minute=60)
MERGING = web(dedup_days=30)


def incomplete(**changes: Any) -> dict[str, Any]:
    """A lead whose phone cannot be read, which is kept as it should be; but for the changes of the lead."""
    person = LEAD.person.model_copy(update={"phone": None})
    lead = LEAD.model_copy(
        update={"person": person, "partners": (), "problems": (UNREAD,), "answers": {"tel": "кімната 7"}} | changes
    )
    posted = replace(
        POSTED,
        values={"person.phone": PHONE},
        typed={"person.phone": "кімната 7"},
        unusable=frozenset({"person.phone"}),
    )
    table = [items.lead_item(lead, phone_hash=None)]
    return {
        "table": [*table, items.incomplete_item(lead)] if lead.problems else table,
        "posted": [posted],
        "partners": PARTNERS,
        **web(),
        "listed_incomplete": frozenset({LEAD.lead_id}) if lead.problems else frozenset(),
        "posts": frozenset({POSTED.post_id}),
        "calls": [],
        "partner_records": [],
        "sent_messages": [],
    }


def corrected(call: str = "Олена", kept: str = "Оленаб", status: int = 200) -> dict[str, Any]:
    """A name was corrected before the create call; the call has one name, and the lead keeps one."""
    posted = replace(POSTED, values=VALUES)
    lead = LEAD.model_copy(update={"person": LEAD.person.model_copy(update={"full_name": f"Виправна {kept} Іванівна"})})
    table = [items.lead_item(lead, phone_hash=None) if one["sk"] == "LEAD" else one for one in balanced().table]
    correction = Correction(LEAD.lead_id, {"person.full_name": "Виправна Оленаб Іванівна"}, 1, status, 2, calls=6)
    sent = {**CREATE, "clientInfo": {"PIB": f"Прикладенко {call} Іванівна"}}
    return {"posted": [posted], "table": table, "corrections": [correction], "calls": [sent]}


def with_entry(*names: str) -> dict[str, Any]:
    """A timeline entry about a correction, with these names of fields."""
    entry = Entry(NOW, "corrected", None, "by anna", {"fields": list(names), "operator": "anna"})
    found = corrected("Оленаб")
    return {**found, "table": [*found["table"], items.entry_item(LEAD.lead_id, entry, "corrected#000001")]}


def counted(*, wrong: str = "") -> dict[str, Any]:
    """A closed lead that is counted, rightly or with one mistake."""
    table = [{**one, "campaign": "spring"} if one["sk"] == "LEAD" else one for one in journey(*closed())]
    change = lead_change(table)
    assert change is not None
    assert change.lead is not None
    lead = CountedLead().merged(replace(change, lead=replace(change.lead, campaign_number=0)))
    ((day, source, _), counts), *_ = lead.counts().items()
    counters: dict[str, Any] = {"pk": "STATS#0", "sk": f"{day}#{source}", **counts}
    table.append({"pk": "CAMPAIGNS", "sk": f"{day}#{source}", "names": ["spring"], "version": 1})
    if wrong == "campaign":
        counters["c|0|l"] = 2
    if wrong == "counters":
        counters["l"] = 2
    if wrong == "lead":
        lead = replace(lead, deliveries={})
    item = [] if wrong == "missing" else [counted_item(LEAD.lead_id, replace(lead, version=1))]
    return {"table": [*table, *item, counters], "has_statistics": True}


def fallback(**data: str) -> dict[str, Any]:
    """Another partner got the lead after the first one."""
    return items.entry_item(LEAD.lead_id, Entry(NOW, "fallback", "lender-b", "it rejected it", data), "m")


def weighted(*firsts: str, is_one_person: bool = False) -> dict[str, Any]:
    """Leads of a source that shares them equally, with these first partners."""
    shares = {"leadleader": 1, "lender-b": 1}
    table = []
    for number, first in enumerate(firsts):
        phone = PHONE if is_one_person else f"+38050{number:07d}"
        (second,) = shares.keys() - {first}
        changes = {"lead_id": f"ld_{number}", "partners": (first,), "fallbacks": {first: second}}
        person = LEAD.person.model_copy(update={"phone": phone})
        table.append(items.lead_item(LEAD.model_copy(update={**changes, "person": person}), phone_hash=None))
    return {"table": table, **web([{"partner": name, "weight": weight} for name, weight in shares.items()])}


HOUR = "2026-03-01T12"


def capped(count: int, *counted_in: str, **caps: int) -> dict[str, Any]:
    """A lender that takes two leads an hour, or as the caps say; and an hour's counter, and the delivery's windows."""
    intake = Intake.model_validate(caps or {"per_hour": 2})
    delivery = replace(closed()[-1].after, counted_in=counted_in)
    table = [one for one in journey(*closed()) if not one["sk"].startswith("DELIVERY#")]
    counter = {**cap_key("leadleader", HOUR), "leads": count}
    partners = {"leadleader": PARTNERS["leadleader"].model_copy(update={"intake": intake})}
    return {"table": [*table, items.delivery_item(delivery), counter], "partners": partners}


AT_LENDER_B = {**CREATE, "partner": "lender-b", "number": 1, "deal_id": 3}
BEFORE, LATER = to_text(NOW + MINUTE), to_text(NOW + 20 * MINUTE)  # than an operator chose a partner
CREATE_AT_NOON = {**CREATE, "at": to_text(NOW + 2 * MINUTE)}
PAUSED = Pause("leadleader", NOW, NOW + 10 * MINUTE)
TRACKED = web(feedback={"tracker": {"kind": "url", "on": {"submitted": "lead", "issued": "sale"}}})
(POSTBACK,) = postbacks_of(submitted()[1], {"web": TRACKED["sources"]["web"].feedback})
OLDER, NEWER = (
    replace(POSTBACK, event_id=f"evt_{number}", delivery_version=number, created_at=NOW + number * MINUTE)
    for number in (3, 4)
)


def postbacks(*found: Postback, events: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """A lead with postbacks, and a tracker that has these events."""
    table = [*journey(*closed()), *(postback_item(replace(one, **changes)) for one in found)]
    received = [{"event_id": event, "lead_id": LEAD.lead_id} for event in events]
    return {**TRACKED, "table": table, "tracker_events": received}


UNBALANCED: list[tuple[str, dict[str, Any]]] = [
    ("changes_have_postbacks", postbacks()),
    ("changes_have_postbacks", postbacks(POSTBACK, NEWER)),
    ("postbacks_are_accepted_or_failed", postbacks(POSTBACK)),
    ("postbacks_are_accepted_or_failed", postbacks(POSTBACK, state=PostbackState.ACCEPTED)),
    ("postbacks_are_accepted_or_failed", postbacks(POSTBACK, state=PostbackState.FAILED)),
    ("postbacks_are_accepted_or_failed", postbacks(POSTBACK, state=PostbackState.SKIPPED)),
    ("postbacks_are_accepted_or_failed", postbacks(events=("evt_of_nothing",))),
    ("postbacks_are_in_order", postbacks(OLDER, NEWER, events=("evt_4", "evt_3"))),
    ("accepted_leads_are_stored", {"table": []}),
    ("accepted_leads_are_stored", {"posted": [POSTED, replace(POSTED, lead_id="ld_other")]}),
    ("deliveries_reach_an_end_state", {"table": journey(submitted()[0])}),
    ("deliveries_reach_an_end_state", {"table": journey(*closed(), without=("DELIVERY#leadleader",))}),
    ("nothing_is_in_transit", {"queue_sizes": {"submit-leadleader": 1}}),
    ("timelines_have_no_gaps", {"table": journey(*closed(), without=("#leadleader#000003",))}),
    ("timelines_have_no_gaps", {"table": journey(*closed()[:1], *closed()[2:])}),
    ("timelines_have_no_gaps", {"table": [*journey(*closed()), *journey(*ten_minutes_later())[-2:]]}),
    (
        "due_index_is_consistent",
        {"table": [{**one, "due_at": "2026-03-01T12:00:00Z"} for one in journey(*closed())]},
    ),
    ("failures_have_a_dead_letter", {"table": failed()}),
    ("dead_letters_are_explained", {"dead_letters": [replace(LETTER, lead_id="ld_gone")]}),
    ("dead_letters_are_explained", {"dead_letters": [replace(LETTER, reason="")]}),
    ("dead_letters_are_explained", {"dead_letters": [replace(LETTER, lead_id=None)]}),
    ("failures_are_explained", {"failures": {("POST /messages", "answered 500"): 7}}),
    ("rejected_leads_reach_the_next_partner", rejected()),
    ("person_is_submitted_once", {"table": [CLAIM]}),
    ("repeats_name_a_submitted_lead", {"table": repeat_of(State.REJECTED)}),
    ("repeats_name_a_submitted_lead", {"table": repeat_of(State.FAILED)}),
    ("repeats_name_a_submitted_lead", {"table": repeat_of(State.DUPLICATE)}),
    ("repeats_name_a_submitted_lead", {"table": repeat_of(State.RECEIVED)}),
    ("repeats_name_a_submitted_lead", {"table": ended(apply_repeat(waiting(), NOW, FIRST, Repeat.MARK))}),
    ("quotas_count_every_lead", {"table": [COUNT], **COUNTED}),
    ("quotas_count_every_lead", COUNTED),
    ("status_changes_have_messages", {"table": journey(*closed())}),
    ("messages_are_sent_once", {"sent_messages": [{"phone": PHONE, "text": "Видано"}] * 2}),
    ("messages_are_sent_once", {"sent_messages": []}),
    ("messages_are_in_order", misordered()),
    ("messages_are_in_order", redriven()),
    ("next_partners_follow_a_refusal", {"table": [*lost(), fallback(previous_partner="leadleader")]}),
    (
        "next_partners_follow_a_refusal",
        {"table": [*journey(*closed()), items.delivery_item(replace(waiting(), partner="lender-b"))]},
    ),
    ("one_partner_of_an_order_has_the_lead", {"calls": [CREATE, AT_LENDER_B]}),
    ("one_partner_of_an_order_has_the_lead", {**chosen(), "calls": [CREATE, AT_LENDER_B]}),
    (
        "one_partner_of_an_order_has_the_lead",
        {**chosen(is_confirmed=True), "calls": [{**CREATE, "at": BEFORE}, {**AT_LENDER_B, "at": BEFORE}]},
    ),
    ("operators_choose_the_partner", {**chosen(), "table": journey(*closed())}),
    (
        "operators_choose_the_partner",
        chosen(at=NOW - MINUTE, table=[*journey(*closed()), fallback(previous_partner="leadleader")]),
    ),
    ("rejected_leads_reach_the_next_partner", rejected() | chosen(table=rejected()["table"])),
    ("weights_decide_on_the_first_partner", weighted("leadleader", "lender-b", is_one_person=True)),
    ("weights_decide_on_the_first_partner", weighted(*["leadleader"] * 60)),
    (
        "paused_partners_get_no_leads",
        {"calls": [{**CREATE, "at": to_text(NOW + 5 * MINUTE)}], "pauses": [PAUSED]},
    ),
    ("caps_are_kept", capped(3)),
    ("caps_are_kept", capped(0, HOUR)),
    ("caps_are_kept", {**capped(0, total=1), "calls": [CREATE, {**CREATE, "deal_id": 25}]}),
    ("caps_are_kept", {**capped(0, per_hour=1), "calls": [CREATE_AT_NOON, {**CREATE_AT_NOON, "deal_id": 25}]}),
    ("caps_are_kept", {**capped(0, per_day=1), "calls": [CREATE_AT_NOON, {**CREATE_AT_NOON, "deal_id": 25}]}),
    ("leads_are_created_once", unknown_then_made_twice()),
    ("answers_are_recorded", unknown()),
    ("answers_are_recorded", unknown(**REFUSED)),
    ("submitted_leads_exist_at_partner", {"partner_records": []}),
    ("submitted_leads_exist_at_partner", {"partner_records": [FOREIGN]}),
    ("partner_records_are_known", {"partner_records": [DEAL, replace(DEAL, id=25)]}),
    ("last_status_is_known", {"partner_records": [replace(DEAL, status="Погоджено")]}),
    ("leads_expire_last", {"table": expiring(-30)}),
    ("posts_are_accepted_or_refused", {"posts": frozenset({POSTED.post_id, "post-2"})}),
    ("posts_are_accepted_or_refused", {"refused": [POSTED]}),
    ("posts_are_accepted_or_refused", {"refused": [REFUSED_POST], **web()}),
    ("posts_are_accepted_or_refused", {"posted": []}),
    ("leads_are_delivered_or_incomplete", incomplete(problems=())),
    ("leads_are_delivered_or_incomplete", incomplete(person=LEAD.person)),
    ("leads_are_delivered_or_incomplete", incomplete(problems=(FieldError("loan.term", FieldCode.REQUIRED),))),
    (
        "leads_are_delivered_or_incomplete",
        {**incomplete(), **web(["leadleader"], on_invalid="refuse")},
    ),
    (
        "leads_are_delivered_or_incomplete",
        {**incomplete(), "table": [*incomplete()["table"], items.delivery_item(waiting())]},
    ),
    ("typed_values_are_kept", incomplete(answers={})),
    ("typed_values_are_kept", incomplete(person=LEAD.person.model_copy(update={"phone": "+380671112233"}))),
    ("typed_values_are_kept", {"posted": [replace(POSTED, values={"loan.amount": "60000"})]}),
    ("incomplete_leads_are_listed", {**incomplete(), "listed_incomplete": frozenset()}),
    ("incomplete_leads_are_listed", {"listed_incomplete": frozenset({LEAD.lead_id})}),
    ("incomplete_leads_are_listed", {**incomplete(), "table": incomplete()["table"][:1]}),
    ("partners_get_corrected_values", corrected("Олена")),
    ("partners_get_corrected_values", corrected("Ніхто")),
    ("corrections_are_kept", corrected("Оленаб", "Олена")),
    ("corrections_are_kept", with_entry("person.full_name", "Виправна Оленаб Іванівна")),
    ("leads_expire_last", {"table": [one for one in expiring(0) if one["sk"] != "LEAD"], "now": NOW}),
    ("statistics_count_every_lead", counted(wrong="counters")),
    ("statistics_count_every_lead", counted(wrong="lead")),
    ("statistics_count_every_lead", counted(wrong="missing")),
    ("statistics_count_every_lead", counted(wrong="campaign")),
]


@pytest.mark.parametrize(
    ("check", "changes"), UNBALANCED, ids=[f"{name}-{n}" for n, (name, _) in enumerate(UNBALANCED)]
)
def test_what_does_not_hold_is_reported_by_its_check(check: str, changes: dict[str, Any]) -> None:
    found = violations(balanced(**changes), [check])
    assert found, check
    assert {violation.check for violation in found} == {check}


@pytest.mark.parametrize(
    ("check", "changes", "what"),
    [
        (
            "messages_are_sent_once",
            {"sent_messages": [{"phone": PHONE, "text": text} for text in ("Видано", "Відмова", "Видано")]},
            "received twice: Видано",
        ),
        (
            "postbacks_are_accepted_or_failed",
            postbacks(POSTBACK, state=PostbackState.FAILED),
            f"{POSTBACK.event} at {POSTBACK.partner} failed without a dead letter",
        ),
    ],
)
def test_a_violation_says_what_is_wrong(check: str, changes: dict[str, Any], what: str) -> None:
    assert what in [violation.what for violation in violations(balanced(**changes), [check])]


def reworded(changes: dict[str, Any]) -> dict[str, Any]:
    """The same with other texts of errors and timeline entries."""
    words = {"last_error": "it went wrong", "detail": "something happened"}
    table = [{name: words.get(name, value) for name, value in one.items()} for one in changes.get("table", ())]
    dead_letters = [
        replace(one, reason="it went wrong") if one.reason else one for one in changes.get("dead_letters", ())
    ]
    return {
        **changes,
        **({"table": table} if table else {}),
        **({"dead_letters": dead_letters} if dead_letters else {}),
    }


@pytest.mark.parametrize(
    ("check", "changes"), UNBALANCED, ids=[f"{name}-{n}" for n, (name, _) in enumerate(UNBALANCED)]
)
def test_no_check_reads_the_wording(check: str, changes: dict[str, Any]) -> None:
    assert violations(balanced(**reworded(changes)), [check]), check
    assert violations(balanced(**reworded({"table": balanced().table}))) == []


def test_a_postback_that_the_tracker_has_is_no_violation() -> None:
    found = postbacks(POSTBACK, events=(POSTBACK.event_id,), state=PostbackState.ACCEPTED)
    names = [name for name in CHECKS if "postbacks" in name]
    assert violations(balanced(**found), names) == []


def test_shares_that_chance_explains_are_no_violation() -> None:
    firsts = ["leadleader"] * 40 + ["lender-b"] * 24
    assert violations(balanced(**weighted(*firsts)), ["weights_decide_on_the_first_partner"]) == []


def test_a_partner_that_an_operator_confirmed_may_have_the_lead_too() -> None:
    found = {**chosen(is_confirmed=True), "calls": [{**CREATE, "at": BEFORE}, {**AT_LENDER_B, "at": LATER}]}
    orders = ["one_partner_of_an_order_has_the_lead", "operators_choose_the_partner", "next_partners_follow_a_refusal"]
    assert violations(balanced(**found), orders) == []


def test_a_lead_that_is_rejected_after_an_operator_chose_a_partner_has_no_next_one() -> None:
    found = rejected() | chosen(at=NOW, table=rejected()["table"])
    assert violations(balanced(**found), ["rejected_leads_reach_the_next_partner"]) == []


def test_a_full_cap_is_no_violation() -> None:
    assert violations(balanced(**capped(2, HOUR)), ["caps_are_kept"]) == []


def test_a_lead_that_arrives_after_its_hour_is_no_violation() -> None:
    calls = [{**CREATE, "at": to_text(NOW + MINUTE / 2)}, {**CREATE_AT_NOON, "deal_id": 25}]
    assert violations(balanced(**capped(0, per_hour=1), calls=calls), ["caps_are_kept"]) == []


@pytest.mark.parametrize(
    ("count", "changes", "is_reported"),
    [(2, {}, False), (1, {}, True), (2, {"is_in_real_time": False}, True), (2, {"now": NOW + 60 * MINUTE}, True)],
    ids=["the cap is used up", "there is room", "the run waits for the next hour", "the hour is over"],
)
def test_a_lead_may_wait_for_the_next_hour(count: int, changes: dict[str, Any], is_reported: bool) -> None:
    wait = wait_for_partner(waiting(), NOW, Wait(WaitReason.CAPPED, NOW + 60 * MINUTE))
    found = {**capped(count), "is_in_real_time": True, "now": NOW, **changes}
    found["table"] = [*ended(wait), *(one for one in found["table"] if one["pk"].startswith("PARTNER#"))]
    assert bool(violations(balanced(**found), ["deliveries_reach_an_end_state"])) is is_reported


def test_a_worker_that_began_before_the_pause_may_send_its_lead() -> None:
    calls = [{**CREATE, "at": to_text(NOW + MINUTE / 2)}]
    assert violations(balanced(calls=calls, pauses=[PAUSED]), ["paused_partners_get_no_leads"]) == []


def test_an_incomplete_lead_that_is_kept_and_listed_is_no_violation() -> None:
    assert violations(balanced(**incomplete())) == []


@pytest.mark.parametrize(
    "changes",
    [
        corrected("Оленаб"),
        corrected("Олена", "Олена", status=409),
        with_entry("person.full_name"),
        {**corrected("Олена"), "calls": [{**corrected("Олена")["calls"][0], "number": 6}]},
    ],
    ids=["the call has it", "it was refused", "the timeline names the field", "the call was before"],
)
def test_a_correction_that_partners_get_is_no_violation(changes: dict[str, Any]) -> None:
    assert violations(balanced(**changes), ["partners_get_corrected_values", "corrections_are_kept"]) == []


def test_a_value_of_two_corrections_at_once_may_be_either() -> None:
    first = Correction(LEAD.lead_id, {"person.full_name": "Виправна Олена Іванівна"}, 1, 200, 4, calls=6)
    second = Correction(LEAD.lead_id, {"person.full_name": "Виправна Оленаб Іванівна"}, 2, 200, 3, calls=6)
    for name in ("Олена", "Оленаб"):
        found = {**corrected(name, name), "corrections": [first, second]}
        assert violations(balanced(**found), ["partners_get_corrected_values", "corrections_are_kept"]) == []
    later = replace(second, began=5, ended=6)
    found = {**corrected("Олена", "Олена"), "corrections": [first, later]}
    assert len(violations(balanced(**found), ["partners_get_corrected_values", "corrections_are_kept"])) == 2


def test_a_worker_that_was_struck_may_have_counted_a_lead_that_it_did_not_store() -> None:
    balances = [
        violations(balanced(table=[COUNT], faulted_posts=struck, **COUNTED), [QUOTAS]) for struck in (2, 3, None)
    ]
    assert [bool(found) for found in balances] == [True, False, False]
    uncounted = balanced(faulted_posts=9, **COUNTED)
    assert violations(uncounted, [QUOTAS]), "no lead may be stored uncounted, whatever was struck"


def test_every_check_was_shown_something_that_does_not_hold() -> None:
    """What is left of erased people is in test_erased.py."""
    assert {name for name, _ in UNBALANCED} == {name for name in CHECKS if not name.startswith("erased_people")}


@pytest.mark.parametrize(
    "changes",
    [
        {"creates": [replace(ANSWERED, is_answered=False)]},
        {"dead_letters": [ANSWER]},
        {"calls": [{**CREATE, "fault": {"id": "f", "kind": "drop"}, "status": None}]},
        {"calls": [{**CREATE, "outcome": "gone"}]},
        {"creates": [ANSWERED, Create(LEAD.lead_id, "leadleader", 8, is_answered=False)]},
    ],
    ids=[
        "the worker died",
        "a letter holds it",
        "the answer was lost",
        "nobody waited",
        "a later create was lost",
    ],
)
def test_an_unknown_delivery_is_no_violation_where_no_answer_was_received(changes: dict[str, Any]) -> None:
    assert violations(balanced(**unknown() | changes), ["answers_are_recorded"]) == []


@pytest.mark.parametrize("state", [State.SUBMITTED, State.CLOSED, State.UNKNOWN])
def test_a_duplicate_of_a_lead_that_the_partner_has_is_no_violation(state: State) -> None:
    assert violations(balanced(table=repeat_of(state)), ["repeats_name_a_submitted_lead"]) == []


def test_a_lead_that_was_refused_and_lacks_what_the_next_partner_requires_is_no_violation() -> None:
    found = rejected()
    for one in found["table"]:
        if one["sk"] == "LEAD":
            del one["person"]["email"]
    assert violations(balanced(**found), ["rejected_leads_reach_the_next_partner"]) == []


def test_a_lead_that_was_refused_before_it_had_what_the_next_partner_requires_is_no_violation() -> None:
    entry = Entry(NOW + 2 * MINUTE, "corrected", data={"fields": ["person.email"]})
    found = rejected()
    table = [*found["table"], items.entry_item(LEAD.lead_id, entry, "corrected#000001")]
    for unusable, is_told in ((frozenset({"person.email"}), False), (frozenset[str](), True)):
        posted = [replace(POSTED, unusable=unusable)]
        snapshot = balanced(**{**found, "table": table, "posted": posted})
        assert bool(violations(snapshot, ["rejected_leads_reach_the_next_partner"])) is is_told


def test_a_lead_that_is_counted_once_is_no_violation() -> None:
    assert violations(balanced(**counted()), ["statistics_count_every_lead"]) == []


def test_the_test_lead_of_a_deployment_must_not_be_counted() -> None:
    found = counted()
    of_test = [{**one, "source": self_check.SOURCE} if "source" in one else one for one in found["table"]]
    *items_of_lead, record, counters = of_test
    day, _, _ = counters["sk"].partition("#")
    for table, is_told in (
        (items_of_lead, False),
        ([*items_of_lead, record], True),
        ([*items_of_lead, {**counters, "sk": f"{day}#{self_check.SOURCE}"}], True),
    ):
        snapshot = balanced(table=table, has_statistics=True)
        assert bool(violations(snapshot, ["statistics_count_every_lead"])) is is_told


def test_items_that_expire_with_their_lead_or_before_it_are_no_violation() -> None:
    for days in (0, 30):
        assert violations(balanced(table=expiring(days)), ["leads_expire_last"]) == []


def test_what_expired_and_was_not_deleted_yet_is_no_violation() -> None:
    table = [one for one in expiring(0) if one["sk"] != "LEAD"]
    assert violations(balanced(table=table, now=NOW + timedelta(days=401)), ["leads_expire_last"]) == []


@pytest.mark.parametrize("known_by", ["phone", "tax_number"])
def test_two_leads_of_one_phone_or_one_tax_number_that_were_both_sent_are_reported(known_by: str) -> None:
    others = {"phone": "+380500000002", "tax_number": "3068208401"}

    def sent(person: dict[str, str]) -> list[dict[str, Any]]:
        """A second lead that was sent, with these values of the person."""
        found = [{**one, "pk": f"LEAD#{FIRST}", "lead_id": FIRST} for one in journey(*closed())]
        return [{**one, "person": {**one["person"], **person}} if "person" in one else one for one in found]

    snapshot = balanced(
        posted=[POSTED, replace(POSTED, post_id="post-2", lead_id=FIRST)],
        table=[*journey(*closed()), *sent({**others, known_by: getattr(LEAD.person, known_by)})],
        **MERGING,
        calls=[],
        partner_records=[],
    )
    assert violations(snapshot, ["person_is_submitted_once"])
    apart = replace(snapshot, table=[*journey(*closed()), *sent(others)])
    assert not violations(apart, ["person_is_submitted_once"])


def test_a_number_that_was_corrected_after_the_lead_was_sent_is_no_violation() -> None:
    table = [{**one, "pk": f"LEAD#{FIRST}", "lead_id": FIRST} for one in journey(*closed())]
    fields = {"fields": ["person.phone", "person.tax_number"]}
    for at, is_told in ((NOW - MINUTE, True), (NOW + MINUTE, False)):
        entry = items.entry_item(FIRST, Entry(at, "corrected", data=fields), "corrected#000001")
        snapshot = balanced(
            posted=[POSTED, replace(POSTED, post_id="post-2", lead_id=FIRST)],
            table=[*journey(*closed()), *table, entry],
            **MERGING,
        )
        assert bool(violations(snapshot, ["person_is_submitted_once"])) is is_told


def test_a_second_deal_that_a_person_asked_for_is_no_violation() -> None:
    begun = submitted()[0]
    lost = steps.mark_unknown(begun.after, NOW + MINUTE, some_error("no answer came back"))
    again = retry_by_operator(lost.after, NOW + 2 * MINUTE, "olena", is_confirmed=True)
    second = steps.start_attempt(again.after, NOW + 3 * MINUTE, MINUTE)
    done = steps.confirm(second.after, NOW + 4 * MINUTE, 25, is_followed=True)
    made = [DEAL, replace(DEAL, id=25)]
    calls = [CREATE, {**CREATE, "deal_id": 25}]
    table = journey(begun, lost, again, second, done)
    snapshot = balanced(table=table, calls=calls, partner_records=made)
    assert violations(snapshot, ["leads_are_created_once", "partner_records_are_known"]) == []


def test_a_person_whose_two_leads_were_both_sent_separately_is_reported() -> None:
    other = "ld_other"
    table = journey(*closed())
    copy = [{**one, "pk": f"LEAD#{other}", "lead_id": other} for one in table]
    snapshot = balanced(
        posted=[POSTED, replace(POSTED, post_id="post-2", lead_id=other)],
        table=[*table, *copy],
        **MERGING,
    )
    assert violations(snapshot, ["person_is_submitted_once"])
