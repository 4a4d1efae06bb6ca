"""Match-Trade's contract, the token: how long it is used, and what comes of one that is refused."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.auth.secrets import MIN_REFRESH_SECONDS
from leadbridge.domain.errors.partner_errors import Misconfigured, Unauthorized
from quality.testkit.clients.matchtrade import EMAIL, PARTNER, MatchTradeWorld, budget, lead, matchtrade_world

TODAY = datetime.now(UTC)


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[MatchTradeWorld]:
    with matchtrade_world(sandbox) as surroundings:
        yield surroundings
        assert_the_partner_saw_only_what_its_document_has(surroundings)


def assert_the_partner_saw_only_what_its_document_has(world: MatchTradeWorld) -> None:
    """No cookie although every answer sets one, no body to a GET, no field that no broker knows."""
    assert [call["violations"] for call in world.calls() if "violations" in call] == []


def test_one_token_serves_all_calls_of_a_worker(world: MatchTradeWorld) -> None:
    client = world.client()
    world.create(client)
    client.find(EMAIL, budget())
    world.listed(client)
    assert world.arrived("token")["grant_type"] == "password"


def test_a_token_is_not_used_in_its_last_minute(world: MatchTradeWorld) -> None:
    client = world.client()
    client.authorize(budget())
    world.clock.now += timedelta(seconds=899 - 61)
    client.authorize(budget())
    assert len(world.calls("token")) == 1
    world.clock.now += timedelta(seconds=2)
    client.authorize(budget())
    assert len(world.calls("token")) == 2


@pytest.mark.parametrize("expires_in", [1, 60])
def test_a_token_that_lives_no_longer_than_the_margin_is_good_for_the_call_it_was_asked_for(
    world: MatchTradeWorld, expires_in: int
) -> None:
    world.remote.post("matchtrade/broker", {"expires_in": expires_in})
    client = world.client()
    world.create(client)
    world.listed(client)
    assert [call["operation"] for call in world.calls()] == ["token", "create", "token", "list"]


@pytest.mark.parametrize("refresh_grant", [False, True])
def test_a_token_that_ended_before_its_time_is_replaced_once(world: MatchTradeWorld, refresh_grant: bool) -> None:
    client = world.client(refresh_grant=refresh_grant)
    authorized = client.authorize(budget())
    world.remote.post("matchtrade/expire")
    assert authorized.create(lead(), budget()) is not None
    assert [call["operation"] for call in world.calls()] == ["token", "create", "token", "create"]
    assert {call["grant_type"] for call in world.calls("token")} == {"password"}


def test_a_token_that_is_refused_twice_is_unauthorized_and_the_secret_is_read_again(world: MatchTradeWorld) -> None:
    world.remote.post("matchtrade/broker", {"expires_in": 0})
    with pytest.raises(Unauthorized):
        world.create()
    assert len(world.calls("create")) == 2
    assert world.vault.reads[-1] == "anew"


@pytest.mark.parametrize("expired", [False, True])
def test_the_refresh_grant_is_used_where_the_settings_say_so_and_falls_back(
    world: MatchTradeWorld, expired: bool
) -> None:
    client = world.client(refresh_grant=True)
    client.authorize(budget())
    if expired:
        world.remote.post("matchtrade/expire")
    world.clock.now += timedelta(hours=1)
    assert client.authorize(budget()).create(lead(), budget()) is not None
    grants = [call["grant_type"] for call in world.calls("token")]
    assert grants == ["password", "refresh_token", *(["password"] if expired else [])]


@pytest.mark.parametrize("what", ["password", "client_secret"])
def test_credentials_that_were_rotated_are_read_again(world: MatchTradeWorld, what: str) -> None:
    world.remote.rotate(PARTNER, what)
    assert world.create() is not None
    assert world.vault.reads == ["cached", "anew"]


@pytest.mark.parametrize("just_read", [False, True])
def test_wrong_credentials_are_certain_only_when_they_were_read_again(world: MatchTradeWorld, just_read: bool) -> None:
    world.vault.replace(password="wrong")
    world.vault.just_read = just_read
    with pytest.raises(Misconfigured) as caught:
        world.client().authorize(budget())
    assert caught.value.certain is not just_read
    assert caught.value.retry_after == (MIN_REFRESH_SECONDS if just_read else None)
    assert "Authentication" not in caught.value.text


def test_credentials_that_change_while_a_token_is_held_get_a_token_of_their_own(world: MatchTradeWorld) -> None:
    client = world.client()
    client.authorize(budget())
    world.vault.kept = world.remote.rotate(PARTNER, "password")
    client.authorize(budget())
    assert len(world.calls("token")) == 2


def test_a_rotation_that_is_met_while_creating_is_retried(world: MatchTradeWorld) -> None:
    """The account was surely not made, and the next visit will know the new password."""
    client = world.client()
    authorized = client.authorize(budget())
    world.remote.post("matchtrade/expire")
    world.remote.rotate(PARTNER, "password")
    world.vault.just_read = True
    with pytest.raises(Unauthorized) as caught:
        authorized.create(lead(), budget())
    assert caught.value.retry_after == MIN_REFRESH_SECONDS
    world.vault.just_read = False
    assert world.create(client) is not None


def test_no_cookie_is_ever_sent_back(world: MatchTradeWorld) -> None:
    client = world.client()
    for number in range(3):
        world.create(client, email=f"{number}@example.com")
        world.listed(client)
    assert_the_partner_saw_only_what_its_document_has(world)
    host = world.remote.url.removeprefix("http://").split(":")
    with socket.create_connection((host[0], int(host[1]))) as connection:
        connection.sendall(b"POST /matchtrade/proxy/auth/oauth/token HTTP/1.0\r\nCookie: JSESSIONID=1\r\n\r\n")
        assert b"Set-Cookie: JSESSIONID=" in connection.recv(65_536)
    assert world.calls("token")[-1]["violations"] == ["Cookie"]
    world.remote.reset()
