"""Match-Trade's tokens: how one is got, how long it lives, and what is never told or logged."""

import dataclasses
from pathlib import Path

import pytest

from devstack.sandbox.remote import ControlError, Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import call
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.matchtrade import FORM, Provider, message

UNAUTHORIZED = {"error": "unauthorized", "error_description": "Authentication error"}


@pytest.fixture
def provider(sandbox: Sandbox) -> Provider:
    return Provider.of(sandbox)


def test_a_password_grant_answers_all_that_the_document_names(provider: Provider) -> None:
    answer = provider.ask_token()
    assert answer.status == 200
    granted = answer.json
    assert granted.keys() == {
        *("access_token", "token_type", "refresh_token", "expires_in", "account_uuid"),
        *("manager_scope", "partnerId", "email", "jti"),
    }
    assert (granted["token_type"], granted["expires_in"], granted["partnerId"]) == ("bearer", 899, 0)
    assert granted["email"] == provider.username


def test_a_wrong_client_user_or_password_is_refused_in_the_same_words(provider: Provider) -> None:
    answers = [
        provider.ask_token(headers={"Authorization": ""}),
        provider.ask_token(headers={"Authorization": provider.basic[:-4]}),
        dataclasses.replace(provider, client_secret="wrong").ask_token(),
        provider.ask_token(username="other@example.com"),
        provider.ask_token(password="wrong"),
        provider.ask_token(password=""),
        provider.refresh("wrong"),
    ]
    assert [(answer.status, answer.json) for answer in answers] == [(401, UNAUTHORIZED)] * len(answers)


def test_what_is_no_urlencoded_grant_is_refused(provider: Provider) -> None:
    form = {"grant_type": "password", "username": provider.username, "password": provider.password}
    url, basic = f"{provider.base_url}/proxy/auth/oauth/token", {"Authorization": provider.basic}
    for answer in (
        call(url, form, headers=basic),
        call(url, b"grant_type=password&grant_type=password", headers=FORM | basic),
        call(f"{url}?grant_type=password", b"", headers=FORM | basic),
        provider.ask_token(grant_type="client_credentials"),
    ):
        assert (answer.status, answer.json.keys()) == (400, UNAUTHORIZED.keys())


def test_a_token_lives_as_long_as_it_says_and_no_hour(provider: Provider, remote: Remote, clock: Clock) -> None:
    token = provider.token()
    clock.now += 898
    assert provider.pull(token=token).status == 200
    clock.now += 1
    refused = provider.pull(token=token)
    assert (refused.status, message(refused)) == (
        401,
        "java.nio.charset.MalformedInputException: Input length = 1",
    )
    remote.post("matchtrade/broker", {"expires_in": 5})
    assert provider.ask_token().json["expires_in"] == 5
    token = provider.token()
    clock.now += 5
    assert provider.create(token=token).status == 401


def test_a_refresh_token_is_good_once_and_for_a_while(provider: Provider, remote: Remote, clock: Clock) -> None:
    first = provider.ask_token().json["refresh_token"]
    second = provider.refresh(first)
    assert provider.pull(token=second.json["access_token"]).status == 200
    assert provider.refresh(first).status == 401
    clock.now += 3600
    assert provider.refresh(second.json["refresh_token"]).status == 401


def test_all_tokens_can_be_ended_at_once(provider: Provider, remote: Remote) -> None:
    granted = provider.ask_token().json
    assert provider.pull(token=granted["access_token"]).status == 200
    remote.post("matchtrade/expire")
    assert provider.pull(token=granted["access_token"]).status == 401
    assert provider.refresh(granted["refresh_token"]).status == 401


def test_credentials_are_kept_and_rotated_each_on_its_own(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        before = Provider.of(sandbox)
        assert before.base_url == f"{sandbox.url}/matchtrade"
        assert sandbox.secrets()["matchtrade"]["partner_id"] == 0
        remote = Remote(sandbox.url)
        assert remote.rotate("matchtrade") == sandbox.secrets()["matchtrade"]
        assert before.ask_token().status == 401
        assert Provider.of(sandbox).ask_token().status == 200
        for what in ("client_secret", "offer_uuid", "partner_id"):
            earlier = sandbox.secrets()["matchtrade"]
            later = remote.rotate("matchtrade", what)
            assert {name for name in later if later[name] != earlier[name]} == {what}
        after = Provider.of(sandbox)
        assert (after.ask_token().json["partnerId"], after.partner_id) == (1, 1)
    with Sandbox(tmp_path) as sandbox:
        assert dataclasses.replace(Provider.of(sandbox), base_url=after.base_url) == after


def test_no_credential_is_ever_logged(provider: Provider, remote: Remote) -> None:
    granted = provider.ask_token().json
    provider.ask_token(password="guessed")
    provider.refresh(granted["refresh_token"])
    provider.create(token=granted["access_token"])
    provider.pull(token="some other token")
    log = call(f"{remote.url}/control/calls?partner=matchtrade", b"", method="GET").raw.decode()
    secrets = (provider.password, provider.client_secret, provider.basic, "guessed", "some other token")
    assert not [each for each in (*secrets, granted["access_token"], granted["refresh_token"]) if each in log]
    token, _, _, create, listing = remote.calls("matchtrade")
    assert (token["grant_type"], create["email"]) == ("password", "olha@example.com")
    assert token["access_token_sha256"] == create["access_token_sha256"] != listing["access_token_sha256"]


def test_a_cookie_that_comes_back_is_answered_but_recorded(provider: Provider, remote: Remote) -> None:
    cookie = provider.ask_token().headers["Set-Cookie"]
    assert cookie.startswith("JSESSIONID=")
    assert provider.create(Cookie=cookie.partition(";")[0]).status == 200
    assert provider.ask_token(headers={"Cookie": "a=b"}).status == 200
    violations = [call.get("violations") for call in remote.calls("matchtrade")]
    assert violations == [None, None, ["Cookie"], ["Cookie"]]


def test_an_impossible_setting_is_refused(remote: Remote) -> None:
    for settings in ({"expires_in": -1}, {"max_size": 1001}, {"required": ["a.b.c"]}, {"color": "red"}):
        with pytest.raises(ControlError, match="400"):
            remote.post("matchtrade/broker", {**settings})
    assert remote.post("matchtrade/broker", {})["expires_in"] == 899
