"""What a run of find_due queues: the room in the queue of checks, and how many leads that waited for a partner."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from leadbridge.domain.admission import Circuit, PartnerState
from leadbridge.domain.clock import to_text
from leadbridge.services import find_due
from leadbridge.services.checks.batch import BATCH
from leadbridge.storage.queries.due_items import DueItem
from quality.testkit.template import template

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SINCE = to_text(NOW - timedelta(minutes=5))
PARTNERS: Mapping[str, None] = {"leadleader": None, "matchtrade": None}


def due(partner: str, now: datetime, limit: int) -> Iterator[DueItem]:
    """More deliveries than there is room for."""
    numbers = range(100 * BATCH)
    return islice((DueItem(f"LEAD#{partner}-{one}", f"DELIVERY#{partner}", SINCE) for one in numbers), limit)


def queued(monkeypatch: pytest.MonkeyPatch, length: int, max_queued: int = 10) -> list[str]:
    """The partners of the messages that a run sends."""
    sent: list[str] = []

    def send_all(queue_url: str, bodies: Sequence[dict[str, Any]]) -> None:
        sent.extend(body["partner"] for body in bodies)

    monkeypatch.setattr(find_due, "send_all", send_all)
    monkeypatch.setattr(find_due, "queue_length", lambda *_, **__: length)
    number, late = find_due.fill_checks("queue", PARTNERS, due, NOW, max_queued)
    assert (number, late) == (len(sent), 300.0)
    return sent


def test_partners_share_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert queued(monkeypatch, 2) == ["leadleader"] * 4 + ["matchtrade"] * 4


@pytest.mark.parametrize("length", [10, 19])
def test_deliveries_with_due_times_are_sent_though_the_queue_is_full(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    """The batches of a partner that is away fill it. Lost workers of any partner must be found meanwhile."""
    assert queued(monkeypatch, length) == ["leadleader", "matchtrade"]


def test_a_queue_without_workers_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert queued(monkeypatch, 20) == []


KINDS = {"broker-a": "broker", "broker-b": "broker", "broker-c": "broker", "lender": "lender"}


def released(monkeypatch: pytest.MonkeyPatch, waiting: Mapping[str, int], **changed: PartnerState) -> dict[str, int]:
    """How many leads of each partner a run queues, of those that waited."""
    sent: Counter[str] = Counter()

    def find(partition: str, now: datetime, limit: int) -> Iterator[DueItem]:
        partner = partition.removesuffix("#waiting")
        return islice(due(partner, now, limit), waiting[partner])

    def send_all(queue_url: str, bodies: Sequence[dict[str, Any]]) -> None:
        for body in bodies:
            sent[body["partner"]] += len(body["lead_ids"])

    monkeypatch.setattr(find_due, "send_all", send_all)
    states = {partner: PartnerState(admits_since=NOW) for partner in waiting} | changed
    find_due.fill_waiting("queue", states, KINDS, find, NOW)
    return dict(sent)


def test_a_backlog_takes_half_of_a_minute_of_its_kinds_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """New leads of another broker must not wait behind thousands of leads of one that was away."""
    workers, seconds = int(template()["Parameters"]["MatchTradeConcurrency"]["Default"]), 0.9  # of docs/capacity.md
    assert find_due.MAX_RELEASED * seconds / workers <= 30
    assert released(monkeypatch, {"broker-a": 2000}) == {"broker-a": 60}


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ({"broker-a": 2000, "broker-b": 0}, {"broker-a": 60}),
        ({"broker-a": 2000, "broker-b": 10, "broker-c": 2000}, {"broker-a": 25, "broker-b": 10, "broker-c": 25}),
        ({"broker-a": 2000, "lender": 2000}, {"broker-a": 60, "lender": 60}),
    ],
)
def test_the_partners_of_a_kind_share_what_is_released(
    monkeypatch: pytest.MonkeyPatch, waiting: dict[str, int], expected: dict[str, int]
) -> None:
    assert released(monkeypatch, waiting) == expected


def test_each_partner_gets_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker with a few leads, and the probe of a half-open circuit, are not behind the backlog of another one."""
    monkeypatch.setattr(find_due, "MAX_RELEASED", 2)
    half_open = PartnerState(circuit=Circuit(opened_until=NOW))
    counts = released(monkeypatch, {"broker-a": 9, "broker-b": 9, "broker-c": 9}, **{"broker-c": half_open})
    assert counts == {"broker-a": 1, "broker-b": 1, "broker-c": 1}
