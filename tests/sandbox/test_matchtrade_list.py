"""Listing accounts at Match-Trade's broker: windows, pages, and rows that change while somebody reads."""

import time
from typing import Any

import pytest

from devstack.sandbox.remote import ControlError, Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.matchtrade import Provider, account, message

ROW = {
    *("uuid", "created", "updated", "email", "name", "surname", "phone"),
    *("country", "role", "leadStatus", "leadSource"),
}


@pytest.fixture
def provider(sandbox: Sandbox) -> Provider:
    return Provider.of(sandbox)


@pytest.fixture
def six(remote: Remote) -> list[str]:
    """The uuids of six samples, a day after each other."""
    remote.post(
        "matchtrade/accounts",
        {"count": 6, "start": "2020-01-01T00:00:00Z", "end": "2020-01-06T00:00:00Z", "status": "NEW_CONTACT"},
    )
    return [each["uuid"] for each in remote.rows("matchtrade/accounts")]


def _read(provider: Provider, pages: int = 3) -> list[str]:
    return [row["uuid"] for page in range(pages) for row in provider.rows(page=page, size=2)]


def test_a_page_is_springs(provider: Provider, six: list[str]) -> None:
    first, last, beyond = (provider.pull(page=page, size=4).json for page in range(3))
    assert [row["uuid"] for row in first.pop("content")] == six[:4]
    assert first == {"totalPages": 2, "totalElements": 6, "last": False, "number": 0, "size": 4}
    assert ([row["uuid"] for row in last["content"]], last["last"], last["number"]) == (six[4:], True, 1)
    assert (beyond["content"], beyond["last"], beyond["totalPages"]) == ([], True, 2)


def test_a_row_is_what_was_registered(provider: Provider) -> None:
    created = provider.create()
    (row,) = provider.rows()
    assert row == created.json
    assert row.keys() == ROW
    assert (row["country"], row["created"]) == (None, "2027-01-15T08:00:00.000Z")
    assert row["leadSource"] == "Test Offer|testoffer.com|Test Description |a12dd0a66a"


def test_a_lead_source_may_be_nested_or_one_or_the_other(provider: Provider, remote: Remote, six: list[str]) -> None:
    remote.post("matchtrade/broker", {"lead_source": "nested"})
    assert all("leadSource" not in row and "leadSource" in row["leadInfo"] for row in provider.rows())
    remote.post("matchtrade/broker", {"lead_source": "mixed"})
    assert ["leadInfo" in row for row in provider.rows()] == [False, True] * 3


def test_a_minimal_page_and_a_smaller_size_than_asked_for(provider: Provider, remote: Remote, six: list[str]) -> None:
    assert provider.pull(size=5000).json["size"] == 1000
    assert provider.pull(size=None, page=None).json["size"] == 20
    remote.post("matchtrade/broker", {"page_shape": "minimal", "max_size": 4})
    page = provider.pull().json
    assert page.keys() == {"content", "totalPages"}
    assert (len(page["content"]), page["totalPages"]) == (4, 2)


def test_a_window_holds_both_of_its_ends(provider: Provider, six: list[str]) -> None:
    window = {"from": "2020-01-02T00:00:00Z", "to": "2020-01-03T00:00:00Z"}
    assert [row["uuid"] for row in provider.rows(**window)] == six[1:3]
    window = {"from": "2020-01-02T00:00:00.001Z", "to": "2020-01-02T23:59:59Z"}
    assert provider.rows(**window) == []


def test_a_window_may_be_about_updates(provider: Provider, remote: Remote, six: list[str], clock: Clock) -> None:
    remote.post(f"matchtrade/accounts/{six[2]}", {"status": "CONTACTED"})
    window = {"from": "2027-01-15T08:00:00Z", "to": "2027-01-15T08:00:00Z"}
    assert provider.rows(**window) == []
    remote.post("matchtrade/broker", {"filter_by": "updated"})
    assert [row["uuid"] for row in provider.rows(**window)] == [six[2]]
    assert len(provider.rows()) == 6


@pytest.mark.parametrize(
    ("query", "found"), [("Ann@x.com", 2), ("joann@x.com", 1), ("+380", 0), ("МАР'ЯН", 2), ("501234567", 2), ("", 8)]
)
def test_a_query_is_a_part_of_email_name_or_phone(
    provider: Provider, six: list[str], query: str, found: int, remote: Remote
) -> None:
    for email in ("ann@x.com", "JoAnn@x.com"):
        provider.create(account(email=email))
    assert len(provider.rows(query=query)) == found
    assert remote.calls("matchtrade", "list")[-1]["query"] == query


@pytest.mark.parametrize(
    "wrong",
    [
        {"from": None},
        {"to": None},
        {"from": "2020-01-01"},
        {"from": "2020-01-01T00:00:00+00:00"},
        {"to": "2020-13-01T00:00:00Z"},
        {"page": -1},
        {"page": "x"},
        {"size": 0},
    ],
)
def test_a_malformed_query_is_refused(provider: Provider, wrong: dict[str, Any]) -> None:
    answer = provider.pull(**wrong)
    assert answer.status == 400
    assert f"'{next(iter(wrong))}'" in message(answer)


def test_another_partner_and_another_token_are_refused(provider: Provider) -> None:
    assert provider.pull(partner_id=1).status == 403
    answer = provider.pull(token="wrong")
    assert (answer.status, message(answer)) == (401, "java.nio.charset.MalformedInputException: Input length = 1")


def test_the_log_has_the_window_and_what_was_in_it(provider: Provider, remote: Remote, six: list[str]) -> None:
    provider.pull(page=1, size=4, sort="created")
    logged = remote.calls("matchtrade", "list")[-1]
    assert (logged["page"], logged["size"], logged["from"], logged["query"]) == ("1", "4", "2019-01-01T00:00:00Z", "")
    assert (logged["rows"], logged["total"], logged["violations"]) == (2, 6, ["sort"])
    assert "changed" not in logged


def test_a_row_removed_behind_a_reader_makes_it_miss_another(
    provider: Provider, remote: Remote, six: list[str]
) -> None:
    remote.post("matchtrade/changes", {"changes": [{"kind": "remove", "uuid": six[0]}], "page": 1})
    assert _read(provider) == [*six[:2], *six[3:]]
    assert _read(provider) == six[1:]
    changed = [call["changed"] for call in remote.calls("matchtrade", "list") if "changed" in call]
    assert changed == [1]


def test_a_row_inserted_behind_a_reader_shows_it_another_twice(
    provider: Provider, remote: Remote, six: list[str]
) -> None:
    remote.post(
        "matchtrade/changes",
        {"changes": [{"kind": "insert", "created": "2020-01-01T12:00:00Z", "email": "new@example.com"}], "page": 1},
    )
    read = _read(provider, pages=4)
    assert read == [*six[:2], six[1], *six[2:]]
    assert remote.rows("matchtrade/accounts", email="new@example.com")[0]["uuid"] not in read


def test_a_row_that_moves_is_met_twice_or_never(provider: Provider, remote: Remote, six: list[str]) -> None:
    remote.post(
        "matchtrade/changes",
        {"changes": [{"kind": "move", "uuid": six[0], "created": "2021-01-01T00:00:00Z"}], "page": 1},
    )
    remote.post(
        "matchtrade/changes",
        {"changes": [{"kind": "move", "uuid": six[5], "created": "2019-06-01T00:00:00Z"}], "page": 2},
    )
    assert _read(provider) == [six[0], six[1], six[3], six[4], six[4], six[0]]
    assert _read(provider) == [six[5], *six[1:5], six[0]]


def test_a_status_that_changes_takes_a_row_out_of_a_window_of_updates(
    provider: Provider, remote: Remote, six: list[str]
) -> None:
    remote.post("matchtrade/broker", {"filter_by": "updated"})
    remote.post(
        "matchtrade/changes", {"changes": [{"kind": "status", "uuid": six[0], "status": "CONTACTED"}], "page": 1}
    )
    window = {"to": "2020-02-01T00:00:00Z", "size": 2}
    read = [row["uuid"] for page in range(3) for row in provider.rows(page=page, **window)]
    assert read == [six[0], six[1], six[3], six[4], six[5]]


def test_a_change_that_finds_nothing_does_nothing(provider: Provider, remote: Remote, six: list[str]) -> None:
    changes = [{"kind": "remove", "uuid": six[0]}, {"kind": "remove", "uuid": "unknown"}]
    remote.post("matchtrade/changes", {"changes": changes, "page": 0})
    assert [row["uuid"] for row in provider.rows()] == six[1:]
    remote.post("matchtrade/changes", {"changes": [{"kind": "remove", "uuid": six[1]}], "page": 0})
    remote.reset()
    assert provider.rows() == []


@pytest.mark.parametrize("kind", ["insert", "remove", "move", "status"])
def test_a_change_that_leaves_out_what_it_needs_is_refused(remote: Remote, six: list[str], kind: str) -> None:
    given = {"uuid": six[1]} if kind in {"move", "status"} else {}
    with pytest.raises(ControlError, match=rf"400 .*changes\.0\.{kind}\.\w+: Field required"):
        remote.post("matchtrade/changes", {"changes": [{"kind": kind, **given}], "page": 1})


def test_samples_can_be_ours_and_have_known_emails(remote: Remote, provider: Provider) -> None:
    emails = ["a@example.com", "b@example.com"]
    added = remote.post(
        "matchtrade/accounts",
        {"emails": emails, "start": "2020-01-01T00:00:00Z", "foreign": False, "status": "CONTACTED"},
    )
    assert added["added"] == 2
    rows = provider.rows()
    assert [row["email"] for row in rows] == emails
    assert [row["uuid"] for row in rows] == [added["first"], added["last"]]
    assert all(row["leadSource"].startswith("Test Offer|testoffer.com|Test Description|") for row in rows)
    assert remote.rows("matchtrade/accounts", email="b@example.com")[0]["origin"] == "ours"
    for nonsense in (
        {"emails": ["A@example.com"]},
        {"count": 0},
        {"count": 250_000},
        {"start": "2099-01-01T00:00:00Z"},
    ):
        with pytest.raises(ControlError, match="400"):
            remote.post("matchtrade/accounts", {**nonsense})


def test_a_hundred_thousand_accounts_are_quickly_there_and_quickly_read(provider: Provider, remote: Remote) -> None:
    remote.post(
        "matchtrade/accounts", {"count": 100_000, "start": "2019-01-01T00:00:00Z", "end": "2025-01-01T00:00:00Z"}
    )
    token = provider.token()
    seen = {row["uuid"] for page in (0, 50, 98) for row in provider.rows(token=token, page=page)}
    assert len(seen) == 3000
    took = []
    for _ in range(5):
        asked = time.process_time()
        answer = provider.pull(token=token, page=99)
        took.append(time.process_time() - asked)
    assert (answer.json["totalPages"], len(answer.json["content"])) == (100, 1000)
    assert min(took) < 0.05
    assert len(provider.rows(token=token, query="lead-54321@clients.example.com")) == 1
