"""What goes out to Match-Trade, how long its tokens are believed, and how long its calls can take."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import simplejson
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.errors.partner_errors import (
    Misconfigured,
    PartnerError,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unknown,
)
from leadbridge.partners.http import Answer, Transport
from leadbridge.partners.matchtrade.answers import grant_in
from leadbridge.partners.matchtrade.login import EXPIRY_MARGIN
from leadbridge.partners.wiring import client_of
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from quality.testkit.fixtures import Time
from quality.testkit.partners.matchtrade import REFUSED, SECRET, Line, Vault, answer, budget, client, lead, rows, token

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


# Requests


def test_a_token_is_asked_for_with_the_client_in_the_header_and_a_form() -> None:
    line = Line(token())
    odd = {**SECRET, "username": "a&b@x.ua", "password": "п=+ %"}
    client(line, vault=Vault(kept=odd)).authorize(budget())
    (request,) = line.requests
    assert request.url == "https://broker.invalid/proxy/auth/oauth/token"
    assert request.headers == {
        "Authorization": "Basic Y2xpZW50OmNsaWVudCdz",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert request.json is None
    assert request.form == {"grant_type": "password", "username": "a&b@x.ua", "password": "п=+ %"}


def test_a_look_up_asks_for_the_email_over_all_time(time: Time) -> None:
    line = Line(token(), rows("olha+1@example.com"))
    assert client(line, clock=time).find("olha+1@example.com", budget()) is not None
    request = line.requests[-1]
    assert "query=olha%2B1%40example.com&from=2010-01-01T00%3A00%3A00Z&to=2026-03-03T12%3A00%3A00Z&" in request.url
    assert request.headers == {"Authorization": "Bearer t1"}
    assert (request.json, request.body) == (None, None)


@given(st.text(min_size=1))
def test_a_query_comes_through_whatever_it_holds(email: str) -> None:
    line = Line(token(), rows())
    client(line).find(email, budget())
    assert line.requests[-1].query["query"] == [email.strip()]
    assert not set(line.requests[-1].url) & set(" +#")


def test_a_look_up_that_finds_more_than_it_can_read_does_not_say_that_there_is_none() -> None:
    full = answer(200, {"content": [{"email": "somebody@example.com"}], "totalPages": 1000})
    line = Line(token(), full)
    with pytest.raises(Unavailable, match="too many"):
        client(line).find("o@example.com", budget())
    assert line.operations.count("list") == 20


@pytest.mark.parametrize(
    ("since", "until", "options"),
    [
        (NOON.replace(tzinfo=None), NOON, {}),
        (NOON, NOON.replace(tzinfo=None), {}),
        (NOON, NOON - timedelta(seconds=1), {}),
        (NOON, NOON, {"size": 0}),
        (NOON, NOON, {"first_page": -1}),
    ],
)
def test_a_window_that_is_none_is_refused_at_once(since: datetime, until: datetime, options: dict[str, int]) -> None:
    line = Line(token())
    with pytest.raises(ValueError, match=r"since|size"):
        client(line).pages(since, until, budget(), **options)
    assert line.requests == []


# Tokens


@given(expires_in=st.integers(1, 4000), passed=st.integers(0, 4000))
def test_a_token_is_believed_for_as_long_as_it_says_less_the_margin(expires_in: int, passed: int) -> None:
    time = Time()
    line = Line(token(expires_in=expires_in))
    api = client(line, clock=time)
    api.authorize(budget())
    time.pass_(seconds=passed)
    api.authorize(budget())
    assert len(line.requests) == (1 if passed < expires_in - EXPIRY_MARGIN else 2)


def test_a_tokens_life_begins_when_it_is_asked_for(time: Time) -> None:
    """The answer may have been long on its way."""
    line = Line(token(expires_in=100))
    moments = iter([time.now, time.now + timedelta(seconds=41)])
    api = client(line, clock=lambda: next(moments))
    api.authorize(budget())
    line.answers = [token("t2")]
    moments = iter([time.now + timedelta(seconds=41)] * 2)
    assert api.authorize(budget()).session.access_token == "t2"


@pytest.mark.parametrize("expires_in", [None, "899", True, -5, 0, 1.5, [899], 10**400])
def test_a_life_that_is_none_is_the_shortest_and_one_without_end_a_day(expires_in: object, time: Time) -> None:
    line = Line(token(expires_in=expires_in))
    api = client(line, clock=time)
    api.authorize(budget())
    if expires_in == 10**400:
        time.pass_(seconds=86_400 - 61)
        api.authorize(budget())
        assert len(line.requests) == 1
        time.pass_(seconds=1)
    api.authorize(budget())
    assert len(line.requests) == 2


def test_a_client_shows_no_token_when_it_is_printed() -> None:
    authorized = client(Line(token())).authorize(budget())
    assert "t1" not in repr(authorized)
    assert "t1" not in repr(grant_in(token()))


@pytest.mark.parametrize("failure", [answer(401, {"error": "unauthorized"}), answer(502, None), Unknown("m", "t", "x")])
def test_a_refresh_that_fails_falls_back_to_the_password(failure: Answer | PartnerError, time: Time) -> None:
    line = Line(token(), failure, token("t2"))
    api = client(line, clock=time, refresh_grant=True)
    api.authorize(budget())
    time.pass_(hours=1)
    assert api.authorize(budget()).session.access_token == "t2"
    assert [request.form["grant_type"] for request in line.requests] == ["password", "refresh_token", "password"]
    assert line.requests[1].form == {"grant_type": "refresh_token", "refresh_token": "r-t1"}


def test_a_rate_limited_refresh_waits(time: Time) -> None:
    line = Line(token(), answer(429, None))
    api = client(line, clock=time, refresh_grant=True)
    api.authorize(budget())
    time.pass_(hours=1)
    with pytest.raises(RateLimited):
        api.authorize(budget())
    assert len(line.requests) == 2


def test_a_token_without_a_refresh_token_is_followed_by_a_login(time: Time) -> None:
    line = Line(token(refresh_token=None))
    api = client(line, clock=time, refresh_grant=True)
    api.authorize(budget())
    time.pass_(hours=1)
    api.authorize(budget())
    assert {request.form["grant_type"] for request in line.requests} == {"password"}


def test_a_secret_that_still_lacks_something_is_misconfigured_without_a_call() -> None:
    line = Line(token())
    wrong = {**SECRET, "password": ""}
    with pytest.raises(Misconfigured) as caught:
        client(line, vault=Vault(kept=wrong, current=wrong)).authorize(budget())
    assert caught.value.data == {"fields": ["password"]}
    assert line.requests == []


def test_a_token_that_another_call_has_replaced_is_not_thrown_away() -> None:
    line = Line(token("t1"), REFUSED, token("t2"), answer(200, {}), REFUSED, answer(200, {}))
    api = client(line)
    old = [api.authorize(budget()) for _ in range(2)]
    old[0].create(lead(), budget())
    old[1].create(lead(), budget())
    assert line.operations == ["token", "create", "token", "create", "create", "create"]


# Time


def test_a_new_token_is_asked_for_only_while_the_call_keeps_its_full_time() -> None:
    """A create that is cut short would make an account that nobody knows of."""
    line = Line(token(), REFUSED, token("t2"), answer(200, {}), takes=6)
    api = client(line)
    authorized = api.authorize(line.budget(60))
    began = line.now
    with pytest.raises(Unavailable):
        authorized.create(lead(), line.budget(15))
    assert line.now - began <= 15
    assert line.operations == ["token", "create", "token"]


def test_a_second_create_is_not_begun_without_the_time_for_it() -> None:
    line = Line(token(), REFUSED, token("t2"), answer(200, {}))
    authorized = client(line).authorize(line.budget(60))
    with pytest.raises(Unauthorized):
        authorized.create(lead(), line.budget(9))
    assert line.operations == ["token", "create", "token"]


def test_credentials_that_fail_twice_are_misconfigured() -> None:
    line = Line(token(), REFUSED, answer(401, {"error": "unauthorized"}))
    authorized = client(line).authorize(budget())
    with pytest.raises(Misconfigured) as caught:
        authorized.create(lead(), budget())
    assert (caught.value.certain, caught.value.operation) == (True, "token")


@pytest.mark.parametrize("takes", [0.1, 3.0, 4.9, 6.0, 9.9])
def test_a_create_takes_no_longer_than_it_says(takes: float) -> None:
    line = Line(token(), REFUSED, token("t2"), answer(200, {}), takes=takes)
    api = client(line)
    authorized = api.authorize(line.budget(600))
    began = line.now
    with suppress(Unavailable):
        authorized.create(lead(), line.budget(600))
    assert line.now - began <= api.seconds_per_create + 0.01
    assert (line.operations.count("create") == 2) == (takes < 5)


def test_a_submission_takes_a_token_and_a_create() -> None:
    api = client(Line(token()))
    assert (api.seconds_per_create, api.seconds_per_submission, api.seconds_per_page) == (20, 30, 20)


# Wiring


def test_a_functions_client_reads_this_stacks_secret(
    aws_mocked: None, shipped_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.secrets_manager().create_secret(Name="leadbridge/matchtrade", SecretString=simplejson.dumps(SECRET))
    line = Line(token())
    monkeypatch.setattr(Transport, "call", lambda _, *arguments, **options: line.call(*arguments, **options))
    client_of("matchtrade").authorize(budget())
    assert line.requests[0].url.startswith("https://broker.invalid/")
