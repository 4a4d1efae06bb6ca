"""The sandbox's tracker, called by the client that the functions use."""

import time

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.partner_errors import PartnerError, RateLimited, Rejected, Unavailable, Unknown
from leadbridge.domain.feedback.postback import Postback
from leadbridge.partners.feedback.client import TrackerClient
from leadbridge.partners.public_http import PublicClient
from leadbridge.runtime.budget import Budget
from quality.testkit.people import NOW, lead

LEAD = lead().model_copy(update={"ids": {"click_id": "a/b c"}})
POSTBACK = Postback(LEAD.lead_id, "evt_1", "tracker", "leadleader", "web", 3, "issued", "sale", NOW, payout="25")


@pytest.fixture
def client(sandbox: Sandbox, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> TrackerClient:
    monkeypatch.setenv("LEADBRIDGE_ENVIRONMENT", "local")
    remote.reset()
    return TrackerClient(lambda: sandbox.secrets()["feedback"], PublicClient(seconds=3))


def send(client: TrackerClient, postback: Postback = POSTBACK) -> None:
    client.send(postback, LEAD, "url", Budget(time.monotonic() + 30, 0.0))


def test_a_repeated_event_is_counted_once(client: TrackerClient, remote: Remote) -> None:
    send(client)
    send(client)
    (event,) = remote.rows("feedback/postbacks")
    assert (event["event_id"], event["click_id"], event["status"], event["payout"]) == ("evt_1", "a/b c", "sale", "25")
    assert (event["lead_id"], event["received"]) == (LEAD.lead_id, 2)


@pytest.mark.parametrize(
    ("fault", "error", "received"),
    [
        ({"kind": "drop", "when": "before"}, Unknown, 0),
        ({"kind": "drop", "when": "after"}, Unknown, 1),
        ({"kind": "answer", "status": 500, "body": {}}, Unavailable, 0),
        ({"kind": "answer", "status": 503, "body": {}, "processed": True}, Unavailable, 1),
        ({"kind": "answer", "status": 410, "body": {}}, Rejected, 0),
        ({"kind": "rate_limit", "retry_after": 7}, RateLimited, 0),
    ],
)
def test_a_fault_is_the_error_that_it_means(
    client: TrackerClient, remote: Remote, fault: dict[str, object], error: type[PartnerError], received: int
) -> None:
    remote.arm("feedback", "postback", fault, times=1)
    with pytest.raises(error) as raised:
        send(client)
    assert len(remote.rows("feedback/postbacks")) == received
    if error is RateLimited:
        assert raised.value.retry_after == 7
    send(client)
    assert [one["event_id"] for one in remote.rows("feedback/postbacks")] == ["evt_1"]
