"""What `make lead` posts, and where `make webhook-url` says a form posts to."""

import pytest

from devstack.commands.samples import request_of, sample_event, webhook_url
from devstack.seed import source_secret
from quality.testkit.forms.receiver import adapter_of, cases


@pytest.mark.parametrize("case", cases())
def test_every_sample_can_be_posted(case: str) -> None:
    event = sample_event(case)
    source = event["pathParameters"]["source"]
    secret = source_secret(adapter_of(case))
    address, headers, body = request_of(event, {source: secret})
    assert address.startswith(f"/webhooks/{source}")
    assert headers["Content-Type"] == event["headers"]["Content-Type"]
    assert body
    assert secret["secrets"][0] in address or any("signature" in name.lower() for name in headers) or "google" in case


def test_an_address_holds_the_current_token() -> None:
    assert webhook_url("a", "http://127.0.0.1/v1", {"a": {"secrets": ["x", "y"]}}) == (
        "http://127.0.0.1/v1/webhooks/a?token=x"
    )
