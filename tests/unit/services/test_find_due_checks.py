"""The room in the queue of checks, and who gets it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from leadbridge.domain.clock import to_text
from leadbridge.services import find_due
from leadbridge.services.checks.batch import BATCH
from leadbridge.storage.queries.due_items import DueItem

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
