"""Nobody who was erased is written to, and nothing is written down of them, whoever is at work at that moment."""

from collections.abc import Callable
from typing import Any

import pytest

from leadbridge.domain.recipient import Contact
from leadbridge.runtime import aws
from leadbridge.services.worker import Outcome, Result
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE
from quality.testkit.services.messages import ACCOUNT, LEAD, Messenger, World, world

__all__ = ["world"]


class Died(Exception):
    """The eraser did, after its transaction."""


def erase(world: World) -> None:
    """Erase the lead's person, to the end."""
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "olena", world.time())


def erase_half(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Erase the lead's person, and die before what lies beside the lead is deleted."""

    def die(eraser: Eraser, lead_id: str) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Eraser, "_clean", die)
        with pytest.raises(Died):
            erase(world)


def meanwhile(world: World, what: str, happens: Callable[[], None]) -> None:
    """Let something happen while the messenger is asked."""
    asks = getattr(Messenger, what)

    class Slow(Messenger):
        pass

    def slow(messenger: Messenger, *arguments: Any) -> Any:
        answer = asks(messenger, *arguments)
        happens()
        return answer

    setattr(Slow, what, slow)
    world.messenger = Slow(known=ACCOUNT)


def timeline_quotes(world: World) -> list[Any]:
    journey = world.store.journey(LEAD.lead_id)
    assert journey is not None
    quotes = [entry.detail or entry.data for entry in journey.timeline if entry.what != "erased"]
    return [quote for quote in quotes if quote]


def test_who_is_being_erased_is_not_written_to(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.outbox.remember(LEAD.lead_id, Contact(ACCOUNT.account_id, ACCOUNT.person_id))
    message = world.by_hand(text="Привіт")
    erase_half(world, monkeypatch)
    assert world.visit(message) == Result(Outcome.NO_ACTION)
    assert world.messenger.asked == []


def test_who_is_erased_while_they_are_looked_for_is_not_written_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = world.by_hand(text="Привіт")
    meanwhile(world, "find", lambda: erase_half(world, monkeypatch))
    assert world.visit(message) == Result(Outcome.NO_ACTION)
    assert world.messenger.texts == []
    erase(world)
    assert world.outbox.messages(LEAD.lead_id) == []


def test_an_erasure_during_a_send_leaves_no_data(world: World) -> None:
    message = world.status("Погоджено")
    meanwhile(world, "send", lambda: erase(world))
    assert world.visit(message) == Result(Outcome.SENT)
    assert world.outbox.messages(LEAD.lead_id) == []
    assert timeline_quotes(world) == []


def test_nothing_is_written_after_the_eraser(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is there still, but its end is no longer written into the timeline."""
    message = world.status("Погоджено")
    meanwhile(world, "send", lambda: erase_half(world, monkeypatch))
    assert world.visit(message) == Result(Outcome.SENT)
    assert timeline_quotes(world) == []
