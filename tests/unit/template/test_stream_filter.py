"""The stream's filter passes exactly the changes that a rule of the bus sends to a queue, and incomplete leads."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from leadbridge.domain.delivery import State, new_delivery
from leadbridge.domain.fetch import FetchState, new_fetch
from leadbridge.domain.message import MessageState, status_notification
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_item
from leadbridge.storage.messages import message_item
from leadbridge.storage.stream import event_of
from quality.testkit.people import lead
from quality.testkit.template import resources
from quality.testkit.wiring import passes_stream_filter

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELIVERY = new_delivery("ld_1", "leadleader", "web", NOW)
MESSAGE = status_notification("ld_1", "leadleader", 4, "Видано", NOW)
FETCH = new_fetch("ld_1", "meta-credit", {}, NOW)
CHANGED: dict[str, items.Item] = {
    **{f"delivery {state}": items.delivery_item(replace(DELIVERY, state=state, version=2)) for state in State},
    **{f"message {state}": message_item(replace(MESSAGE, state=state)) for state in MessageState},
    **{f"fetch {state}": fetch_item(replace(FETCH, state=state)) for state in FetchState},
    "lead": items.lead_item(lead(1), phone_hash=None),
}


def record(item: items.Item, kind: str = "MODIFY") -> dict[str, Any]:
    image = items.encode(item)
    keys = {name: image[name] for name in ("pk", "sk")}
    return {"eventName": kind, "dynamodb": {"Keys": keys, "NewImage": image, "SequenceNumber": "1"}}


def is_routed(found: dict[str, Any]) -> bool:
    """Whether a rule matches the event of a record."""
    event = event_of(found, str)
    if event is None:
        return False
    patterns = [rule["Properties"]["EventPattern"] for rule in resources("AWS::Events::Rule").values()]
    return any(
        event.detail_type in pattern["detail-type"]
        and all(event.detail().get(name) in wanted for name, wanted in pattern["detail"].items())
        for pattern in patterns
    )


@pytest.mark.parametrize("kind", ["INSERT", "MODIFY"])
@pytest.mark.parametrize("name", CHANGED)
def test_a_change_passes_if_a_rule_matches_it(name: str, kind: str) -> None:
    found = record(CHANGED[name], kind)
    assert passes_stream_filter(found) == is_routed(found)


def test_something_passes_and_something_does_not() -> None:
    passing = {name for name, item in CHANGED.items() if passes_stream_filter(record(item))}
    assert passing == {"delivery received", "message pending", "fetch pending"}


def test_an_expired_item_does_not_pass() -> None:
    found = record(CHANGED["delivery received"], "REMOVE")
    found["dynamodb"]["OldImage"] = found["dynamodb"].pop("NewImage")
    assert not passes_stream_filter(found)


def test_a_new_incomplete_lead_passes_to_be_counted() -> None:
    incomplete = items.incomplete_item(lead(1))
    assert passes_stream_filter(record(incomplete, "INSERT"))
    assert not passes_stream_filter(record(incomplete, "MODIFY"))
