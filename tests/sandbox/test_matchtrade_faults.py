"""When Match-Trade is slow, wrong or gone; and the frame around it."""

from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import Reply, call
from quality.testkit.sandbox.clock import Clock
from quality.testkit.sandbox.matchtrade import Provider, message

CALLS: dict[str, Callable[[Provider], Reply]] = {
    "token": lambda provider: provider.ask_token(),
    "create": lambda provider: provider.create(),
    "list": lambda provider: provider.pull(),
}


@pytest.fixture
def provider(sandbox: Sandbox) -> Provider:
    return Provider.of(sandbox)


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "answer", "status": 200, "body": "not JSON"}, 200),
        ({"kind": "html"}, 502),
        ({"kind": "empty", "status": 204}, 204),
        ({"kind": "rate_limit", "retry_after": 3}, 429),
        ({"kind": "delay", "seconds": 0.01}, 200),
        ({"kind": "slow_body", "seconds": 0, "chunk": 100}, 200),
        ({"kind": "drop", "when": "before"}, None),
        ({"kind": "drop", "when": "after"}, None),
    ],
)
def test_every_call_can_be_broken_in_every_way(
    provider: Provider, remote: Remote, operation: str, fault: dict[str, Any], status: int | None
) -> None:
    remote.arm("matchtrade", operation, fault)
    if status is None:
        with pytest.raises((HTTPException, OSError)):
            CALLS[operation](provider)
    else:
        assert CALLS[operation](provider).status == status
    logged = remote.calls("matchtrade", operation)[-1]
    assert (logged["fault"]["kind"], logged["status"]) == (fault["kind"], status)


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
def test_a_lost_reply_to_a_create_hides_whether_there_is_an_account(
    provider: Provider, remote: Remote, when: str, arrived: int
) -> None:
    remote.arm("matchtrade", "create", {"kind": "drop", "when": when}, match={"account.email": "olha@example.com"})
    with pytest.raises((HTTPException, OSError)):
        provider.create()
    assert len(provider.rows(query="olha@example.com")) == arrived
    assert provider.create().status == (409 if arrived else 200)


def test_too_many_calls_and_unknown_ways_get_the_partners_four_fields(provider: Provider, remote: Remote) -> None:
    remote.arm("matchtrade", None, {"kind": "rate_limit"})
    assert message(provider.ask_token()) == "Request was throttled."
    assert message(call(f"{provider.base_url}/proxy/nowhere", {})) == "Not found."
    assert call(f"{provider.base_url}/proxy/auth/oauth/token", None, method="GET").status == 405


def test_a_page_in_the_middle_can_be_the_one_that_breaks(provider: Provider, remote: Remote) -> None:
    remote.post("matchtrade/accounts", {"count": 6})
    remote.arm("matchtrade", "list", {"kind": "html"}, skip=1)
    assert [provider.pull(page=page, size=2).status for page in range(3)] == [200, 502, 200]


def test_tokens_that_end_in_the_middle_of_a_list_end_it(provider: Provider, remote: Remote) -> None:
    remote.post("matchtrade/accounts", {"count": 4})
    token = provider.token()
    assert provider.pull(token=token, size=2).status == 200
    remote.post("matchtrade/expire")
    assert provider.pull(token=token, page=1, size=2).status == 401
    assert provider.pull(page=1, size=2).status == 200


def test_a_reset_forgets_everything_but_credentials(provider: Provider, remote: Remote) -> None:
    token = provider.token()
    before = provider.create(token=token).json["uuid"]
    remote.post("matchtrade/accounts", {"count": 2})
    remote.post("matchtrade/broker", {"expires_in": 5})
    remote.reset()
    assert provider.pull(token=token).status == 401
    assert provider.rows() == []
    assert provider.ask_token().json["expires_in"] == 899
    assert provider.create().json["uuid"] != before


def test_a_slower_pace_takes_no_status_back(provider: Provider, remote: Remote, clock: Clock) -> None:
    provider.create()
    clock.now += 10
    remote.post("pace", {"seconds": 1000})
    assert provider.rows()[0]["leadStatus"] == "CONTACTED"
