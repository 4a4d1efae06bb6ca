"""`leads …` over the real handlers: success, wrong state, wrong token, two at once, repetition, exit codes."""

import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import pytest

from leadbridge.domain import delivery as steps
from leadbridge.domain import operator_steps
from leadbridge.domain.delivery import State
from leadbridge.domain.fields.hashes import keyed_hash
from quality.testkit.fakes.errors import some_error
from quality.testkit.people import NOW, lead
from tests.command.desk import LEAD, MINUTE, Desk, run
from tests.command.gateway import problem

ID = LEAD.lead_id
NOBODY = "ld_" + "a" * 26
PRIVATE = ("+380500000001", "olena@example.com", "3068208400")
EACH = [
    ("list",),
    ("show", ID),
    ("retry", ID),
    ("resolve", ID, "--not-created", "--yes"),
    ("check", ID),
    ("erase", ID, "--yes"),
    ("export", "leads.csv"),
]


def test_the_list_hides_phones_and_tax_numbers_unless_told(desk: Desk) -> None:
    [shown] = desk.run("leads", "list", "--json").json["leads"]
    assert (shown["lead_id"], shown["person"]["phone"]) == (ID, "***01")
    assert (shown["person"]["tax_number"], shown["person"]["email"]) == ("***00", "***@example.com")
    assert "masked=true" in desk.gateway.asked[-1][1], "the API does not send what is not shown"
    [whole] = desk.run("leads", "list", "--json", "--reveal").json["leads"]
    assert (whole["person"]["phone"], whole["person"]["tax_number"]) == ("+380500000001", "3068208400")
    drawn = desk.run("leads", "list")
    assert ID in drawn.out
    assert "+380500000001" not in drawn.out
    assert drawn.code == 0


def test_all_pages_are_listed_and_a_page_says_where_it_ended(desk: Desk) -> None:
    for number in range(2, 105):
        desk.store.accept(lead(number, received_at=NOW + timedelta(minutes=number)), phone_hash=keyed_hash("k", "+38"))
    page = desk.run("leads", "list", "--limit", "3", "--json").json
    assert len(page["leads"]) == 3
    rest = desk.run("leads", "list", "--limit", "2", "--cursor", page["cursor"], "--json").json
    assert not {one["lead_id"] for one in page["leads"]} & {one["lead_id"] for one in rest["leads"]}
    every = desk.run("leads", "list", "--all", "--json").json
    assert len({one["lead_id"] for one in every["leads"]}) == 104
    assert every["cursor"] is None
    rest = desk.run("leads", "list", "--all", "--cursor", page["cursor"], "--json").json
    assert len(rest["leads"]) == 101
    assert "--all" in desk.run("leads", "list", "--limit", "3").err


def test_filters_are_the_apis(desk: Desk) -> None:
    desk.bring(State.FAILED)
    assert len(desk.run("leads", "list", "--status", "failed", "--json").json["leads"]) == 1
    assert desk.run("leads", "list", "--status", "closed", "--json").json["leads"] == []
    assert desk.run("leads", "list", "--source", "nobody", "--partner", "matchtrade", "--json").json["leads"] == []
    wrong = desk.run("leads", "list", "--status", "lost")
    assert (wrong.code, "status must be" in wrong.failure) == (2, True)


def test_a_lead_is_shown_whole(desk: Desk) -> None:
    shown = desk.run("leads", "show", ID, "--json").json
    assert [entry["what"] for entry in shown["timeline"]] == ["received"]
    drawn = desk.run("leads", "show", ID).out
    for text in ("leadleader", "timeline", "Прикладенко", "***01"):
        assert text in drawn


@pytest.mark.parametrize("lead_id", [NOBODY, "..", ".", "nobody", "a/b", "x?y=1", "\ud800"])
def test_an_unknown_lead_is_a_3(desk: Desk, lead_id: str) -> None:
    said = desk.run("leads", "show", lead_id)
    assert said.code == 3
    assert said.failure


@pytest.mark.parametrize("arguments", EACH)
def test_a_wrong_token_is_a_1_and_does_nothing(desk: Desk, arguments: tuple[str, ...]) -> None:
    before = desk.delivery
    said = desk.run("leads", *arguments, token="wrong")
    assert (said.code, "token is not valid" in said.failure) == (1, True)
    assert desk.delivery == before
    assert not Path("leads.csv").exists()


@pytest.mark.parametrize("arguments", EACH)
def test_nobody_answering_is_a_5(desk: Desk, arguments: tuple[str, ...]) -> None:
    desk.gateway.shutdown()
    desk.gateway.server_close()
    said = desk.run("leads", *arguments)
    assert (said.code, "could not be reached" in said.failure) == (5, True)


def test_a_retry_begins_anew_what_failed_once(desk: Desk) -> None:
    desk.bring(State.FAILED)
    done = desk.run("leads", "retry", ID, "--json")
    assert (done.json["delivery"]["state"], done.json["partner"]) == ("received", "leadleader")
    again = desk.run("leads", "retry", ID)
    assert (again.code, "is received" in again.failure) == (4, True)


def test_what_is_unknown_is_retried_only_by_who_says_so_twice(desk: Desk) -> None:
    desk.bring(State.UNKNOWN)
    assert desk.run("leads", "retry", ID).code == 4
    unasked = desk.run("leads", "retry", ID, "--even-if-twice")
    assert (unasked.code, "--yes" in unasked.failure) == (2, True)
    assert desk.delivery.attempts == 1
    assert desk.run("leads", "retry", ID, "--even-if-twice", "--yes", "--json").json["delivery"]["state"] == "received"


def test_of_two_operators_at_once_the_second_is_told(desk: Desk) -> None:
    desk.bring(State.UNKNOWN)

    def somebody_quicker() -> None:
        if desk.delivery.state is State.UNKNOWN and desk.gateway.asked[-1][0] == "POST":
            desk.store.apply(operator_steps.resolve_not_found(desk.delivery, NOW, "bohdan"))

    desk.gateway.before = somebody_quicker
    said = desk.run("leads", "resolve", ID, "--deal-id", "24", "--yes")
    assert (said.code, "only one that is unknown" in said.failure) == (4, True)
    assert desk.delivery.state is State.FAILED


@pytest.mark.parametrize(
    ("told", "state"),
    [(("--deal-id", "24"), State.SUBMITTED), (("--not-created",), State.FAILED)],
)
def test_an_unknown_one_is_settled(desk: Desk, told: tuple[str, ...], state: State) -> None:
    desk.bring(State.UNKNOWN)
    assert desk.run("leads", "resolve", ID, *told, "--yes", "--json").json["delivery"]["state"] == state
    assert desk.run("leads", "resolve", ID, *told, "--yes").code == 4


def test_what_an_operator_settled_is_corrected_or_withdrawn_only_if_that_is_said(desk: Desk) -> None:
    desk.bring(State.UNKNOWN)
    desk.run("leads", "resolve", ID, "--deal-id", "24", "--yes")
    assert desk.run("leads", "resolve", ID, "--deal-id", "25", "--yes").code == 4
    unasked = desk.run("leads", "resolve", ID, "--deal-id", "25", "--correct")
    assert (unasked.code, "cannot be recalled" in unasked.failure) == (2, True)
    corrected = desk.run("leads", "resolve", ID, "--deal-id", "25", "--correct", "--yes", "--json").json["delivery"]
    assert (corrected["state"], corrected["deal_id"]) == ("submitted", 25)
    withdrawn = desk.run("leads", "resolve", ID, "--unknown", "--yes", "--json").json["delivery"]
    assert (withdrawn["state"], withdrawn["deal_id"]) == ("unknown", None)


def test_a_deal_of_another_lead_is_refused_by_name(desk: Desk) -> None:
    other = lead(2)
    desk.store.accept(other, phone_hash=None)
    found = desk.store.delivery(other.lead_id, "leadleader")
    assert found is not None
    desk.store.apply(steps.confirm(desk.store.apply(steps.start_attempt(found, NOW, MINUTE)), NOW, 24, MINUTE))
    desk.bring(State.UNKNOWN)
    said = desk.run("leads", "resolve", ID, "--deal-id", "24", "--yes")
    assert (said.code, other.lead_id in said.failure) == (4, True)


def test_a_partner_that_cannot_be_asked_is_a_5_and_says_that_nothing_was_stored(desk: Desk) -> None:
    desk.bring(State.UNKNOWN)
    body = {"type": "urn:leadbridge:problem:partner-unavailable", "detail": "Nothing was stored."}
    desk.gateway.canned = (503, json.dumps(body).encode(), "application/problem+json")
    said = desk.run("leads", "resolve", ID, "--partner", "leadleader", "--deal-id", "24", "--yes")
    assert (said.code, "Nothing was stored." in said.failure, "may have been executed" in said.failure) == (
        5,
        True,
        False,
    )


def test_a_look_at_the_person_is_noted_and_nothing_else_shows_them(desk: Desk) -> None:
    masked = desk.run("leads", "show", ID, "--json")
    assert [private for private in PRIVATE if private in masked.out] == []
    assert [entry["what"] for entry in masked.json["timeline"]] == ["received"]
    shown = desk.run("leads", "show", ID, "--reveal", "--json")
    assert [private for private in PRIVATE if private not in shown.out] == []
    assert [(entry["what"], entry["detail"]) for entry in shown.json["timeline"]][-1] == ("revealed", "by olena")
    assert desk.run("leads", "show", NOBODY, "--reveal").code == 3


def test_what_needs_a_person_is_listed_and_said(desk: Desk) -> None:
    delivery = desk.bring(State.SUBMITTED)
    assert desk.run("leads", "list", "--attention", "--json").json["leads"] == []
    for number in range(3):
        desk.store.defer_check(
            delivery, NOW + number * MINUTE + 2 * MINUTE, error=some_error("refused"), is_refused=True
        )
        delivery = desk.delivery
    [listed] = desk.run("leads", "list", "--attention", "--json").json["leads"]
    assert listed["deliveries"]["leadleader"]["attention"] == "status_check_refused"
    assert "status_check_refused" in desk.run("leads", "list").out


@pytest.mark.parametrize(
    "told",
    [(), ("--deal-id", "24", "--not-created"), ("--unknown", "--not-created"), ("--deal-id", "x"), ("--deal-id", "0")],
)
def test_a_resolution_says_one_thing(desk: Desk, told: tuple[str, ...]) -> None:
    assert desk.run("leads", "resolve", ID, *told, "--yes").code == 2


def test_a_resolution_that_the_partner_cannot_have_names_the_field(desk: Desk) -> None:
    desk.bring(State.UNKNOWN)
    said = desk.run("leads", "resolve", ID, "--account-uuid", "abc", "--yes")
    assert (said.code, "account_uuid" in said.failure) == (2, True)


def test_a_check_is_queued_for_what_is_submitted(desk: Desk) -> None:
    assert desk.run("leads", "check", ID).code == 4
    desk.bring(State.SUBMITTED)
    assert desk.run("leads", "check", ID, "--json").json["status"] == "queued"
    assert desk.run("leads", "check", ID, "--partner", "nobody").code == 3


def test_an_erase_says_what_it_does_and_is_repeated_safely(desk: Desk) -> None:
    unasked = desk.run("leads", "erase", ID)
    assert unasked.code == 2
    for text in ("permanently", "not sent", "tombstone"):
        assert text in unasked.failure
    assert "Прикладенко" in desk.run("leads", "show", ID).out
    for _ in range(2):
        assert desk.run("leads", "erase", ID, "--yes", "--json").json == {"lead_id": ID, "erased": True}
    drawn = desk.run("leads", "show", ID).out + desk.run("leads", "list").out
    assert "Прикладенко" not in drawn
    assert "(erased)" in drawn


def test_what_is_at_the_partner_at_this_moment_is_not_erased(desk: Desk) -> None:
    desk.bring(State.SUBMITTING)
    assert desk.run("leads", "erase", ID, "--yes").code == 4


def test_an_export_is_whole_private_and_replaces_nothing_unasked(desk: Desk) -> None:
    desk.store.apply(steps.fail(desk.delivery, NOW, some_error("spent")))
    assert desk.run("leads", "export", "leads.csv", "--json").json == {"file": "leads.csv", "leads": 1}
    file = Path("leads.csv")
    assert file.stat().st_mode & 0o777 == 0o600
    [row] = csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    assert (row["lead_id"], row["phone"], row["partner"], row["state"]) == (ID, "***01", "leadleader", "failed")
    again = desk.run("leads", "export", "leads.csv")
    assert (again.code, "--overwrite" in again.failure) == (4, True)
    assert desk.run("leads", "export", "leads.csv", "--overwrite", "--reveal").code == 0
    [row] = csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))
    assert row["phone"] == "'+380500000001"
    assert [*Path().iterdir()] == [file]


def test_an_export_that_fails_leaves_nothing(desk: Desk) -> None:
    desk.gateway.canned = problem(500, "Something failed on our side. Please try again.")
    assert desk.run("leads", "export", "leads.csv").code == 1
    assert [*Path().iterdir()] == []
    assert desk.run("leads", "export", "nowhere/leads.csv").code == 3


def test_an_export_may_go_to_stdout_but_not_as_two_things(desk: Desk) -> None:
    said = desk.run("leads", "export", "-")
    assert [row["lead_id"] for row in csv.DictReader(io.StringIO(said.out))] == [ID]
    assert desk.run("leads", "export", "-", "--json").code == 2


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
def test_whatever_is_answered_is_one_line_and_a_code(desk: Desk, canned: tuple[int, bytes, str], code: int) -> None:
    desk.gateway.canned = canned
    said = desk.run("leads", "list")
    assert (said.code, said.failure != "") == (code, True)
    assert len(desk.gateway.asked) == 1


def test_a_token_never_goes_where_it_does_not_belong(desk: Desk) -> None:
    assert run("leads", "list", env={"LEADBRIDGE_TOKEN": "x"}).code == 2
    assert run("leads", "list", "--api-url", desk.gateway.url).code == 2
    plain = run("leads", "list", "--api-url", "http://example.com/v1", env={"LEADBRIDGE_TOKEN": "x"})
    assert (plain.code, "https" in plain.failure) == (2, True)
    for url in ("nonsense", "ftp://x", "https://", "https://u:p@x", "http://[::1", "https://x:99999"):
        assert run("leads", "list", "--api-url", url, env={"LEADBRIDGE_TOKEN": "x"}).code == 2
    for token in ("a b", "ключ", "a\nb"):
        assert desk.run("leads", "list", token=token).code == 2
    assert desk.gateway.asked == []


def test_a_token_may_come_from_a_file_or_stdin(desk: Desk) -> None:
    Path("token").write_text("token-of-olena-0123456789\n")
    url = ("--api-url", desk.gateway.url, "--json")
    assert run("leads", "list", *url, "--token-file", "token").code == 0
    assert run("leads", "list", *url, "--token-file", "-", stdin="token-of-olena-0123456789\n").code == 0
    assert run("leads", "list", *url, "--token-file", "nowhere").code == 3
