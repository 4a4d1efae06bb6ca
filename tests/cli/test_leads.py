"""`leads …` over the real handlers: success, wrong state, wrong token, two at once, repetition, exit codes."""

import csv
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain import operator_steps
from leadbridge.domain.admission import Wait, WaitReason, wait_for_partner
from leadbridge.domain.clock import utc_now
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.domain.fields.hashes import keyed_hash
from quality.testkit.cli.gateway import problem
from quality.testkit.cli.terminal import LEAD, MINUTE, Terminal, run
from quality.testkit.counted_lives import move
from quality.testkit.fakes.errors import some_error
from quality.testkit.people import NOW, lead

ID = LEAD.lead_id
UNKNOWN_ID = "ld_" + "a" * 26
PRIVATE = ("+380500000001", "olena@example.com", "3068208400")
EACH = [
    ("list",),
    ("show", ID),
    ("correct", ID, "person.city=Львів"),
    ("send", ID, "--to", "matchtrade"),
    ("retry", ID),
    ("resolve", ID, "--not-created", "--yes"),
    ("check", ID),
    ("erase", ID, "--yes"),
    ("export", "leads.csv"),
]


def test_the_list_hides_phones_and_tax_numbers_by_default(terminal: Terminal) -> None:
    [shown] = terminal.run("leads", "list", "--json").json["leads"]
    assert (shown["lead_id"], shown["person"]["phone"]) == (ID, "+38050•••01")
    assert (shown["person"]["tax_number"], shown["person"]["email"]) == ("•••00", "o•••@example.com")
    assert "masked=true" in terminal.gateway.asked[-1][1], "the API does not send what is not shown"
    [whole] = terminal.run("leads", "list", "--json", "--reveal").json["leads"]
    assert (whole["person"]["phone"], whole["person"]["tax_number"]) == ("+380500000001", "3068208400")
    drawn = terminal.run("leads", "list")
    assert ID in drawn.out
    assert "+380500000001" not in drawn.out
    assert drawn.code == 0


def test_the_list_is_searched_and_limited_to_days(terminal: Terminal) -> None:
    now = utc_now()
    for options, is_found in (
        (("--search", ID), True),
        (("--search", "050 000 00 09"), False),
        (("--since", f"{LEAD.received_at:%Y-%m-%d}", "--until", f"{LEAD.received_at:%Y-%m-%d}"), True),
        (("--since", f"{(now - LEAD.received_at).days + 2}d", "--campaign", "spring"), False),
        (("--since", "1h"), False),
        (("--until", "1h", "--problem", "required"), False),
    ):
        found = terminal.run("leads", "list", "--json", *options)
        assert [one["lead_id"] for one in found.json["leads"]] == ([ID] if is_found else []), options
    refused = terminal.run("leads", "list", "--search", "?")
    assert refused.code != 0
    assert "a lead id, a deal number" in refused.err


def test_all_pages_are_listed_and_a_page_says_where_it_ended(terminal: Terminal) -> None:
    for number in range(2, 105):
        terminal.store.accept(
            lead(number, received_at=NOW + timedelta(minutes=number)), phone_hash=keyed_hash("k", "+38")
        )
    page = terminal.run("leads", "list", "--limit", "3", "--json").json
    assert len(page["leads"]) == 3
    rest = terminal.run("leads", "list", "--limit", "2", "--cursor", page["cursor"], "--json").json
    assert not {one["lead_id"] for one in page["leads"]} & {one["lead_id"] for one in rest["leads"]}
    every = terminal.run("leads", "list", "--all", "--json").json
    assert len({one["lead_id"] for one in every["leads"]}) == 104
    assert every["cursor"] is None
    rest = terminal.run("leads", "list", "--all", "--cursor", page["cursor"], "--json").json
    assert len(rest["leads"]) == 101
    assert "--all" in terminal.run("leads", "list", "--limit", "3").err


def test_filters_are_the_apis(terminal: Terminal) -> None:
    terminal.bring(State.FAILED)
    assert len(terminal.run("leads", "list", "--status", "failed", "--json").json["leads"]) == 1
    assert terminal.run("leads", "list", "--status", "closed", "--json").json["leads"] == []
    assert terminal.run("leads", "list", "--source", "nobody", "--partner", "matchtrade", "--json").json["leads"] == []
    nobody = terminal.run("leads", "list", "--source", "nobody")
    assert (nobody.code, nobody.err) == (0, "No leads found.\n")
    assert terminal.run("leads", "list", "--source", "nobody", "--json").err == ""
    wrong = terminal.run("leads", "list", "--status", "lost")
    assert (wrong.code, "status must be" in wrong.failure) == (2, True)


def test_a_lead_is_shown_whole(terminal: Terminal) -> None:
    shown = terminal.run("leads", "show", ID, "--json").json
    assert [entry["what"] for entry in shown["timeline"]] == ["received"]
    drawn = terminal.run("leads", "show", ID).out
    for text in ("leadleader", "timeline", "Прикладенко", "+38050•••01"):
        assert text in drawn


@pytest.mark.parametrize("lead_id", [UNKNOWN_ID, "..", ".", "nobody", "a/b", "x?y=1", "\ud800"])
def test_an_unknown_lead_is_a_3(terminal: Terminal, lead_id: str) -> None:
    said = terminal.run("leads", "show", lead_id)
    assert said.code == 3
    assert said.failure


@pytest.mark.parametrize("arguments", EACH)
def test_a_wrong_token_is_a_1_and_does_nothing(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    before = terminal.delivery
    said = terminal.run("leads", *arguments, token="wrong")
    assert (said.code, "token is not valid" in said.failure) == (1, True)
    assert terminal.delivery == before
    assert not Path("leads.csv").exists()


@pytest.mark.parametrize("arguments", EACH)
def test_no_answer_exits_with_5(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    terminal.gateway.shutdown()
    terminal.gateway.server_close()
    said = terminal.run("leads", *arguments)
    assert (said.code, "could not be reached" in said.failure) == (5, True)
    assert terminal.gateway.url in said.failure


def test_a_retry_restarts_what_failed(terminal: Terminal) -> None:
    terminal.bring(State.FAILED)
    done = terminal.run("leads", "retry", ID, "--json")
    assert (done.json["delivery"]["state"], done.json["partner"]) == ("received", "leadleader")
    again = terminal.run("leads", "retry", ID)
    assert (again.code, "is received" in again.failure) == (4, True)
    terminal.bring(State.FAILED)
    assert terminal.run("leads", "retry", ID).out == f"{ID}: delivery to leadleader: received\n"


def test_a_lead_is_given_to_another_partner(terminal: Terminal) -> None:
    refused = terminal.run("leads", "send", ID, "--to", "matchtrade")
    assert (refused.code, "leadleader" in refused.failure) == (4, True), "its first partner may still get it"
    terminal.bring(State.REJECTED)
    sent = terminal.run("leads", "send", ID, "--to", "matchtrade", "--json").json
    assert (sent["partner"], sent["delivery"]["state"]) == ("matchtrade", "received")
    assert terminal.run("leads", "send", ID, "--to", "matchtrade").code == 4, "it has this delivery now"


def test_the_leads_that_a_partner_did_not_take_are_given_to_another_one(terminal: Terminal) -> None:
    now = utc_now()
    for number in range(2, 7):
        received = now - timedelta(hours=number)
        # Number 6 has no e-mail, which the broker requires.
        person: dict[str, Any] = {"email": None} if number == 6 else {}
        terminal.store.accept(lead(number, received_at=received, **person), phone_hash=None)
        found = terminal.store.delivery(lead(number).lead_id, "leadleader")
        assert found is not None
        begun = terminal.store.apply(steps.start_attempt(found, received, MINUTE))
        if number != 2:
            terminal.store.apply(steps.reject(begun, received, some_error("no")))
    many = ("leads", "send", "--status", "rejected", "--partner", "leadleader", "--to", "matchtrade", "--json")
    limited = terminal.run(*many, "--since", "1d", "--at-most", "1", "--yes")
    assert (limited.json["sent"], "--at-most" in limited.err) == ([lead(3).lead_id], True)
    rest = terminal.run(*many, "--since", "1d", "--yes").json
    assert rest["sent"] == [lead(4).lead_id, lead(5).lead_id]
    [refused] = rest["refused"]
    assert (refused["lead_id"], "person.email" in refused["reason"]) == (lead(6).lead_id, True)
    assert terminal.run(*many, "--since", "5h", "--yes").json["sent"] == [], "older leads are left alone"


def test_the_leads_that_wait_for_a_partner_are_moved_to_another_one(terminal: Terminal) -> None:
    waiting = lead(2, received_at=utc_now())
    terminal.store.accept(waiting, phone_hash=None)
    found = terminal.store.delivery(waiting.lead_id, "leadleader")
    assert found is not None
    terminal.store.apply(wait_for_partner(found, utc_now(), Wait(WaitReason.PAUSED)))
    many = ("leads", "send", "--status", "received", "--partner", "leadleader", "--to", "matchtrade", "--json", "--yes")
    moved = terminal.run(*many, "--since", "2020-01-01").json
    assert moved["sent"] == [waiting.lead_id]
    assert [one["lead_id"] for one in moved["refused"]] == [ID], "this one may be sent at any moment"
    left = terminal.store.delivery(waiting.lead_id, "leadleader")
    assert (left and left.state, left and left.last_error_code) == (State.SKIPPED, "moved")


def test_the_leads_that_failed_are_retried_after_a_look_at_them(terminal: Terminal) -> None:
    now = utc_now()
    for number in range(2, 6):
        terminal.store.accept(lead(number, received_at=now - timedelta(hours=number)), phone_hash=None)
        found = terminal.store.delivery(lead(number).lead_id, "leadleader")
        assert found is not None
        if number != 2:
            terminal.store.apply(steps.fail(found, now, some_error("spent")))
    many = ("leads", "retry", "--status", "failed", "--partner", "leadleader")
    looked = terminal.run(*many, "--dry-run", "--json").json
    assert [one["lead_id"] for one in looked["leads"]] == [lead(number).lead_id for number in (3, 4, 5)]
    assert "Nothing was done" in terminal.run(*many, "--dry-run").out
    assert all(method == "GET" for method, _ in terminal.gateway.asked)
    assert terminal.run(*many).code == 2, "it asks, and there is no terminal to answer"
    limited = terminal.run(*many, "--at-most", "1", "--yes", "--json")
    assert (limited.json["retried"], "--at-most" in limited.err) == ([lead(3).lead_id], True)
    assert terminal.run(*many, "--yes", "--json").json["retried"] == [lead(4).lead_id, lead(5).lead_id]
    assert terminal.run(*many, "--yes", "--json").json["retried"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--status", "failed"),
        ("--status", "unknown", "--partner", "leadleader"),
        ("--status", "failed", "--partner", "leadleader", "--even-if-twice"),
        (ID, "--status", "failed"),
        (ID, "--dry-run"),
    ],
)
def test_what_to_retry_must_be_clear(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal.run("leads", "retry", *arguments, "--yes").code == 2
    assert terminal.gateway.asked == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--to", "matchtrade"),
        (ID, "--to", "matchtrade", "--status", "rejected"),
        ("--to", "matchtrade", "--status", "rejected"),
        ("--to", "matchtrade", "--status", "rejected", "--partner", "leadleader", "--since", "yesterday"),
    ],
)
def test_what_to_send_must_be_clear(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    assert terminal.run("leads", "send", *arguments, "--yes").code == 2


def test_what_is_unknown_is_retried_only_by_who_says_so_twice(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)
    assert terminal.run("leads", "retry", ID).code == 4
    unasked = terminal.run("leads", "retry", ID, "--even-if-twice")
    assert (unasked.code, "--yes" in unasked.failure) == (2, True)
    assert terminal.delivery.attempts == 1
    assert (
        terminal.run("leads", "retry", ID, "--even-if-twice", "--yes", "--json").json["delivery"]["state"] == "received"
    )


def test_the_second_of_two_operators_gets_a_conflict(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)

    def faster_operator() -> None:
        if terminal.delivery.state is State.UNKNOWN and terminal.gateway.asked[-1][0] == "POST":
            terminal.store.apply(operator_steps.resolve_not_found(terminal.delivery, NOW, "bohdan"))

    terminal.gateway.before = faster_operator
    said = terminal.run("leads", "resolve", ID, "--deal-id", "24", "--yes")
    assert said.code == 4
    assert "failed, not unknown" in said.failure, said.failure
    assert terminal.delivery.state is State.FAILED


@pytest.mark.parametrize(
    ("told", "state"),
    [(("--deal-id", "24"), State.SUBMITTED), (("--not-created",), State.FAILED)],
)
def test_an_unknown_one_is_settled(terminal: Terminal, told: tuple[str, ...], state: State) -> None:
    terminal.bring(State.UNKNOWN)
    assert terminal.run("leads", "resolve", ID, *told, "--yes", "--json").json["delivery"]["state"] == state
    assert terminal.run("leads", "resolve", ID, *told, "--yes").code == 4


def test_what_an_operator_settled_is_corrected_or_withdrawn_only_if_that_is_said(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)
    terminal.run("leads", "resolve", ID, "--deal-id", "24", "--yes")
    assert terminal.run("leads", "resolve", ID, "--deal-id", "25", "--yes").code == 4
    unasked = terminal.run("leads", "resolve", ID, "--deal-id", "25", "--correct")
    assert (unasked.code, "cannot be recalled" in unasked.failure) == (2, True)
    corrected = terminal.run("leads", "resolve", ID, "--deal-id", "25", "--correct", "--yes", "--json").json["delivery"]
    assert (corrected["state"], corrected["deal_id"]) == ("submitted", 25)
    withdrawn = terminal.run("leads", "resolve", ID, "--unknown", "--yes", "--json").json["delivery"]
    assert (withdrawn["state"], withdrawn["deal_id"]) == ("unknown", None)


def test_a_deal_of_another_lead_is_refused_by_name(terminal: Terminal) -> None:
    other = lead(2)
    terminal.store.accept(other, phone_hash=None)
    found = terminal.store.delivery(other.lead_id, "leadleader")
    assert found is not None
    terminal.store.apply(
        steps.confirm(terminal.store.apply(steps.start_attempt(found, NOW, MINUTE)), NOW, 24, is_followed=True)
    )
    terminal.bring(State.UNKNOWN)
    said = terminal.run("leads", "resolve", ID, "--deal-id", "24", "--yes")
    assert (said.code, other.lead_id in said.failure) == (4, True)


def test_a_partner_that_cannot_be_asked_is_a_5_and_says_that_nothing_was_stored(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)
    body = {"type": "urn:leadbridge:problem:partner-unavailable", "detail": "Nothing was stored."}
    terminal.gateway.canned = (503, json.dumps(body).encode(), "application/problem+json")
    said = terminal.run("leads", "resolve", ID, "--partner", "leadleader", "--deal-id", "24", "--yes")
    assert (said.code, "Nothing was stored." in said.failure, "may have been executed" in said.failure) == (
        5,
        True,
        False,
    )


def test_a_busy_api_is_quoted_and_a_change_may_have_been_executed(terminal: Terminal) -> None:
    terminal.bring(State.FAILED)
    body = {"type": "urn:leadbridge:problem:busy", "detail": "AWS is slow today."}
    terminal.gateway.canned = (503, json.dumps(body).encode(), "application/problem+json")
    read = terminal.run("leads", "list")
    assert (read.code, read.failure) == (5, "leadbridge: AWS is slow today. (HTTP 503)\n")
    change = terminal.run("leads", "retry", ID, "--partner", "leadleader")
    assert (change.code, "AWS is slow today. The call may have been executed." in change.failure) == (5, True)


def test_a_look_at_the_person_is_noted_and_nothing_else_shows_them(terminal: Terminal) -> None:
    masked = terminal.run("leads", "show", ID, "--json")
    assert [private for private in PRIVATE if private in masked.out] == []
    assert [entry["what"] for entry in masked.json["timeline"]] == ["received"]
    shown = terminal.run("leads", "show", ID, "--reveal", "--json")
    assert [private for private in PRIVATE if private not in shown.out] == []
    assert [(entry["what"], entry["detail"]) for entry in shown.json["timeline"]][-1] == ("revealed", "by olena")
    assert terminal.run("leads", "show", UNKNOWN_ID, "--reveal").code == 3


def test_what_needs_a_person_is_listed_and_said(terminal: Terminal) -> None:
    delivery = terminal.bring(State.SUBMITTED)
    assert terminal.run("leads", "list", "--attention", "--json").json["leads"] == []
    for number in range(3):
        terminal.store.defer_check(
            delivery, NOW + number * MINUTE + 2 * MINUTE, error=some_error("refused"), is_refused=True
        )
        delivery = terminal.delivery
    [listed] = terminal.run("leads", "list", "--attention", "--json").json["leads"]
    assert listed["deliveries"]["leadleader"]["attention"] == "status_check_refused"
    assert "status_check_refused" in terminal.run("leads", "list").out


@pytest.mark.parametrize(
    "told",
    [(), ("--deal-id", "24", "--not-created"), ("--unknown", "--not-created"), ("--deal-id", "x"), ("--deal-id", "0")],
)
def test_a_resolution_says_one_thing(terminal: Terminal, told: tuple[str, ...]) -> None:
    assert terminal.run("leads", "resolve", ID, *told, "--yes").code == 2


def test_a_resolution_that_the_partner_cannot_have_names_the_field(terminal: Terminal) -> None:
    terminal.bring(State.UNKNOWN)
    said = terminal.run("leads", "resolve", ID, "--account-uuid", "abc", "--yes")
    assert (said.code, "account_uuid" in said.failure) == (2, True)


@pytest.mark.usefixtures("queues")
def test_a_check_is_queued_for_what_is_submitted(terminal: Terminal) -> None:
    assert terminal.run("leads", "check", ID).code == 4
    terminal.bring(State.SUBMITTED)
    assert terminal.run("leads", "check", ID, "--json").json["status"] == "queued"
    assert terminal.run("leads", "check", ID, "--partner", "nobody").code == 3


def test_an_erase_says_what_it_does_and_is_repeated_safely(terminal: Terminal) -> None:
    unasked = terminal.run("leads", "erase", ID)
    assert unasked.code == 2
    for text in ("permanently", "not sent", "tombstone"):
        assert text in unasked.failure
    assert "Прикладенко" in terminal.run("leads", "show", ID).out
    for _ in range(2):
        assert terminal.run("leads", "erase", ID, "--yes", "--json").json == {"lead_id": ID, "erased": True}
    drawn = terminal.run("leads", "show", ID).out + terminal.run("leads", "list").out
    assert "Прикладенко" not in drawn
    assert "(erased)" in drawn


def test_what_is_at_the_partner_at_this_moment_is_not_erased(terminal: Terminal) -> None:
    terminal.bring(State.SUBMITTING)
    assert terminal.run("leads", "erase", ID, "--yes").code == 4


@pytest.mark.parametrize(
    ("canned", "code"),
    [
        ((200, b"<html>", "text/html"), 1),
        ((200, b"[]", "application/json"), 1),
        ((200, b"[" * 100_000, "application/json"), 1),
        ((200, b"{}", "application/json"), 1),
        ((302, b"", "text/plain"), 1),
        (problem(500, "x"), 1),
        (problem(429, "x"), 5),
        (problem(503, "x"), 5),
        (problem(404, "x"), 3),
        (problem(409, "x"), 4),
        (problem(422, "x"), 2),
    ],
)
def test_whatever_is_answered_is_one_line_and_a_code(
    terminal: Terminal, canned: tuple[int, bytes, str], code: int
) -> None:
    terminal.gateway.canned = canned
    said = terminal.run("leads", "list")
    assert (said.code, said.failure != "") == (code, True)
    assert len(terminal.gateway.asked) == 1


def test_a_token_never_goes_where_it_does_not_belong(terminal: Terminal) -> None:
    assert run("leads", "list", env={"LEADBRIDGE_TOKEN": "x"}).code == 2
    assert run("leads", "list", "--api-url", terminal.gateway.url).code == 2
    plain = run("leads", "list", "--api-url", "http://example.com/v1", env={"LEADBRIDGE_TOKEN": "x"})
    assert (plain.code, "https" in plain.failure) == (2, True)
    for url in ("nonsense", "ftp://x", "https://", "https://u:p@x", "http://[::1", "https://x:99999"):
        assert run("leads", "list", "--api-url", url, env={"LEADBRIDGE_TOKEN": "x"}).code == 2
    for token in ("a b", "ключ", "a\nb"):
        assert terminal.run("leads", "list", token=token).code == 2
    assert terminal.gateway.asked == []


def test_a_token_may_come_from_a_file_or_stdin(terminal: Terminal) -> None:
    Path("token").write_text("token-of-olena-0123456789\n")
    url = ("--api-url", terminal.gateway.url, "--json")
    assert run("leads", "list", *url, "--token-file", "token").code == 0
    assert run("leads", "list", *url, "--token-file", "-", stdin="token-of-olena-0123456789\n").code == 0
    assert run("leads", "list", *url, "--token-file", "nowhere").code == 3


def test_an_incomplete_lead_is_listed_and_shown_with_its_problems(terminal: Terminal) -> None:
    problem = FieldError("person.phone", FieldCode.NOT_A_PHONE)
    answers = {"Телефон": "дзвоніть 380"}
    one = lead(2).model_copy(update={"partners": (), "problems": (problem,), "answers": answers})
    terminal.store.accept(one, phone_hash=None)
    [listed] = terminal.run("leads", "list", "--status", "incomplete", "--json").json["leads"]
    assert (listed["lead_id"], listed["status"]) == (one.lead_id, "incomplete")
    assert "person.phone not_a_phone" in terminal.run("leads", "list", "--status", "incomplete").out
    shown = terminal.run("leads", "show", one.lead_id)
    assert "must be a phone number" in shown.out
    assert ("Телефон" in shown.out, "дзвоніть" in shown.out) == (True, False)
    assert "дзвоніть 380" in terminal.run("leads", "show", one.lead_id, "--reveal").out


def test_leads_are_listed_by_outcome(terminal: Terminal) -> None:
    one = lead(7)
    terminal.store.accept(one, phone_hash=None)
    move(terminal.store, one, "submitting", "submitted", "issued")
    listed = [terminal.run("leads", "list", "--outcome", name, "--json").json["leads"] for name in ("issued", "active")]
    assert [[found["lead_id"] for found in page] for page in listed] == [[one.lead_id], []]
    assert terminal.run("leads", "list", "--outcome", "paid").code == 2


def test_the_funnel_of_campaigns_is_shown_and_written_as_csv(terminal: Terminal) -> None:
    one = lead(7, received_at=utc_now()).model_copy(update={"campaign": "=spring"})
    terminal.store.accept(one, phone_hash=None)
    move(terminal.store, one, "submitting", "submitted", "issued", at=one.received_at)
    shown = terminal.run("stats", "--by", "campaign").out
    assert "1 (100%, 2 s)" in shown
    header, row = csv.reader(terminal.run("stats", "--by", "campaign", "--csv").out.splitlines())
    found = dict(zip(header, row, strict=True))
    assert (found["campaign"], found["received"], found["issued"]) == ("'=spring", "1", "1")
    assert found["median_seconds_submitted"] == "2"
    for by in ("source", "partner", "outcome"):
        assert len(terminal.run("stats", "--by", by, "--csv").out.splitlines()) == 2
    assert terminal.run("stats", "--csv").code == 2


def test_incomplete_leads_are_counted_by_problem(terminal: Terminal) -> None:
    problem = FieldError("person.phone", FieldCode.NOT_A_PHONE)
    one = lead(2, received_at=utc_now()).model_copy(update={"partners": (), "problems": (problem,)})
    terminal.store.accept(one, phone_hash=None)
    counted = terminal.run("stats").out
    assert ": 1 leads, 1 incomplete" in counted
    assert "not_a_phone" in counted
