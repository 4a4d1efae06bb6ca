"""Match-Trade's contract, call by call: what arrives at the partner, and what is made of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.errors.partner_errors import Duplicate, Misconfigured, Rejected
from leadbridge.partners.matchtrade.accounts import AccountForm
from leadbridge.partners.matchtrade.rows import BrokerAccount
from quality.testkit.clients.matchtrade import (
    BEGINNING,
    EMAIL,
    PARTNER,
    MatchTradeWorld,
    budget,
    bytes_sent,
    matchtrade_world,
)
from quality.testkit.clients.raw_server import with_length

TODAY = datetime.now(UTC)


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[MatchTradeWorld]:
    with matchtrade_world(sandbox) as surroundings:
        yield surroundings
        assert_the_partner_saw_only_what_its_document_has(surroundings)


def assert_the_partner_saw_only_what_its_document_has(world: MatchTradeWorld) -> None:
    """No cookie although every answer sets one, no body to a GET, no field that no broker knows."""
    assert [call["violations"] for call in world.calls() if "violations" in call] == []


# Create


def test_a_lead_becomes_an_account(world: MatchTradeWorld) -> None:
    account_uuid = world.create()
    (account,) = world.remote.rows("matchtrade/accounts")
    assert account["uuid"] == account_uuid
    assert account["account"] == {
        "partnerId": 0,
        "email": EMAIL,
        "name": "Ольга",
        "surname": "Петренко",
        "phone": "380501234567",
        "leadInfo": {"leadSource": "Test Offer|testoffer.com|Test Description|a12dd0"},
    }
    assert world.arrived("create")["offerUuid"] == world.vault.kept["offer_uuid"]


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_an_account_may_be_made_without_a_word(world: MatchTradeWorld, status: int) -> None:
    world.remote.post("matchtrade/broker", {"create_status": status, "create_uuid": False})
    assert world.create() is None
    assert len(world.remote.rows("matchtrade/accounts")) == 1


def test_an_email_that_is_there_already_is_a_duplicate(world: MatchTradeWorld) -> None:
    world.create()
    with pytest.raises(Duplicate) as caught:
        world.create(full_name="Інша Людина")
    assert caught.value.text == "the partner already has an account with this e-mail (HTTP 409)"


def test_a_field_that_the_broker_requires_and_does_not_get_is_rejected(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/broker", {"required": ["email", "country"]})
    with pytest.raises(Rejected, match="not valid"):
        world.create()
    form = AccountForm(constants={"country": "Ukraine"}, fields={"city": "person.city"})
    assert world.create(world.client(form), city="Львів") is not None
    account = world.remote.rows("matchtrade/accounts")[0]["account"]
    assert (account["country"], account["city"]) == ("Ukraine", "Львів")


def test_a_value_that_fits_no_column_is_rejected_without_the_partners_sql(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/broker", {"column_length": 30})
    with pytest.raises(Rejected) as caught:
        world.create()
    assert caught.value.info == ErrorInfo(ErrorCode.REJECTED, caught.value.text, {"http_status": 400})
    assert "SQL" not in caught.value.text


def test_a_text_over_the_cap_is_shortened_and_the_lead_is_sent(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/broker", {"column_length": 30})
    world.create(world.client(AccountForm(max_value_length=30)))
    assert world.remote.rows("matchtrade/accounts")[0]["account"]["leadInfo"] == {
        "leadSource": "Test Of|testoff|Test De|a12dd0"
    }


def test_a_pipe_in_a_part_of_the_source_is_replaced_and_the_lead_is_sent(world: MatchTradeWorld) -> None:
    world.create(site="a|b")
    assert world.remote.rows("matchtrade/accounts")[0]["account"]["leadInfo"]["leadSource"].split("|")[1] == "a / b"


def test_an_unknown_offer_needs_an_operator(world: MatchTradeWorld) -> None:
    world.vault.replace(offer_uuid="00000000-0000-4000-8000-000000000000")
    with pytest.raises(Misconfigured) as caught:
        world.create()
    assert (caught.value.operation, caught.value.certain) == ("create", True)
    assert "OfferClient" not in str(caught.value)


def test_a_plus_goes_out_where_the_broker_wants_it(world: MatchTradeWorld) -> None:
    with pytest.raises(Rejected, match="not valid"):
        world.create(world.client(AccountForm(plus_in_phone=True)))
    world.remote.post("matchtrade/broker", {"plus_in_phone": True})
    world.create(world.client(AccountForm(plus_in_phone=True)))
    assert world.remote.rows("matchtrade/accounts")[0]["account"]["phone"] == "+380501234567"


@pytest.mark.parametrize("rotations", [0, 1])
@pytest.mark.parametrize("kind", [int, str])
def test_every_partner_id_counts_and_0_is_one(tmp_path: Path, rotations: int, kind: type[int | str]) -> None:
    with Sandbox(tmp_path) as sandbox, matchtrade_world(sandbox) as world:
        for _ in range(rotations):
            world.remote.rotate(PARTNER, "partner_id")
        world.vault.replace(partner_id=kind(rotations))
        assert world.create() is not None
        assert world.client().find(EMAIL, budget()) is not None
        assert world.arrived("create")["account"]["partnerId"] == rotations


# Look up and list


def test_an_account_is_found_by_its_email_however_it_is_spelt(world: MatchTradeWorld) -> None:
    account_uuid = world.create()
    world.remote.post("matchtrade/accounts", {"emails": [f"x{EMAIL}", "olha+1@example.com"]})
    client = world.client()
    found = client.find(f" {EMAIL.upper()} ", budget())
    assert found is not None
    assert (found.uuid, found.email, found.status) == (account_uuid, EMAIL, "NEW_CONTACT")
    assert client.find("petrenko@example.com", budget()) is None
    plus = client.find("olha+1@example.com", budget())
    assert plus is not None
    assert plus.email == "olha+1@example.com"


def test_accounts_are_listed_page_by_page(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/accounts", {"count": 5})
    pages = list(world.client().pages(BEGINNING, TODAY + timedelta(days=1), budget(), size=2))
    assert [(page.number, len(page.rows), page.total_pages, page.is_last) for page in pages] == [
        (0, 2, 3, False),
        (1, 2, 3, False),
        (2, 1, 3, True),
    ]
    assert {row.uuid for page in pages for row in page.rows} == {
        each["uuid"] for each in world.remote.rows("matchtrade/accounts")
    }


def test_each_page_is_asked_for_when_the_one_before_has_been_taken(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/accounts", {"count": 5})
    pages = world.client().pages(BEGINNING, TODAY + timedelta(days=1), budget(), size=2)
    assert world.calls() == []
    for number in (1, 2, 3):
        next(pages)
        assert len(world.calls("list")) == number


def test_a_window_arrives_to_the_second_with_both_ends(world: MatchTradeWorld) -> None:
    since = datetime.fromisoformat("2026-01-31T11:30:00.900+02:00")
    until = datetime.fromisoformat("2026-01-31T09:30:01.100Z")
    assert [page.rows for page in world.client().pages(since, until, budget())] == [()]
    call = world.arrived("list")
    assert (call["from"], call["to"]) == ("2026-01-31T09:30:00Z", "2026-01-31T09:30:02Z")
    assert (call["query"], call["size"], call["page"]) == ("", "1000", "0")
    assert call["path"].endswith("/proxy/statistic/api/partner/0/accounts/view/for-lead-provider")


@pytest.mark.parametrize(
    "options", [{}, {"size": 3}, {"size": 1}, {"size": 2, "first_page": 0}, {"size": 1000, "first_page": 0}]
)
@pytest.mark.parametrize("shape", ["full", "minimal"])
@pytest.mark.parametrize("lead_source", ["flat", "nested", "mixed"])
def test_every_row_is_read_whatever_its_shape(
    world: MatchTradeWorld, options: dict[str, Any], shape: str, lead_source: str
) -> None:
    world.remote.post("matchtrade/broker", {"page_shape": shape, "lead_source": lead_source, "max_size": 4})
    world.remote.post("matchtrade/accounts", {"count": 9, "foreign": False})
    rows = world.listed(**options)
    expected = {each["uuid"]: each["leadSource"] for each in world.remote.rows("matchtrade/accounts")}
    assert len(rows) == 9
    assert {row.uuid: row.lead_source for row in rows} == expected
    assert all(row.created and row.updated and row.email and row.status and row.role for row in rows)


def test_a_page_of_a_thousand_long_rows_is_read(world: MatchTradeWorld) -> None:
    rows = [{"uuid": str(number), "notes": "x" * 5000} for number in range(1000)]
    whole = json.dumps({"content": rows, "totalPages": 1}).encode()
    bytes_sent(with_length(len(whole)), whole)(world, "list")
    assert len(world.listed()) == 1000


def test_a_token_that_ends_in_the_middle_of_a_listing_is_replaced(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/accounts", {"count": 6})
    client = world.client()
    found: list[BrokerAccount] = []
    for page in client.pages(BEGINNING, TODAY + timedelta(days=1), budget(), size=2):
        found += page.rows
        world.remote.post("matchtrade/expire")
    assert len({row.uuid for row in found}) == 6
    operations = [call["operation"] for call in world.calls()]
    assert operations == ["token", "list", "list", "token", "list", "list", "token", "list"]


def test_a_password_that_changes_in_the_middle_of_a_listing_is_read_again(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/accounts", {"count": 4})
    pages = world.client().pages(BEGINNING, TODAY + timedelta(days=1), budget(), size=2)
    next(pages)
    world.remote.post("matchtrade/expire")
    world.remote.rotate(PARTNER, "password")
    assert next(pages).is_last


def row_at(world: MatchTradeWorld, place: int) -> str:
    return str(world.remote.rows("matchtrade/accounts")[place]["uuid"])


@pytest.mark.parametrize("change", ["insert", "remove", "remove many", "move on"])
def test_rows_that_move_between_pages_are_neither_lost_nor_doubled(world: MatchTradeWorld, change: str) -> None:
    world.remote.post("matchtrade/broker", {"max_size": 2})
    world.remote.post("matchtrade/accounts", {"count": 12})
    before = [each["uuid"] for each in world.remote.rows("matchtrade/accounts")]
    gone = {"remove": before[:1], "remove many": before[:3]}.get(change, [])
    changes: list[dict[str, Any]] = [{"kind": "remove", "uuid": each} for each in gone]
    if change == "insert":
        changes = [{"kind": "insert", "created": "2019-01-01T00:00:00Z"}]
    if change == "move on":
        changes = [{"kind": "move", "uuid": before[0], "created": TODAY.isoformat()}]
    world.remote.post("matchtrade/changes", {"changes": [*changes], "page": 3})
    rows = [row.uuid for row in world.listed()]
    assert len(rows) == len(set(rows))
    assert set(rows) >= set(before)
