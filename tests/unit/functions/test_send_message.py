"""Where messages come from, and the function that sends them."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import delivery as delivery_steps
from leadbridge.domain.delivery import State
from leadbridge.domain.errors import partner_errors
from leadbridge.domain.events import MessageChanged
from leadbridge.domain.message import Message, MessageChange, MessageState
from leadbridge.partners.http import Transport
from leadbridge.partners.leeloo import Client, Leeloo
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import RETRY_FOR, Contended
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker, StatusByDeal
from leadbridge.services.find_due import message_body
from leadbridge.services.send_message import SEND_NOT_RECORDED
from leadbridge.services.worker import Outcome
from leadbridge.settings import Settings
from leadbridge.storage.messages import DUE_PARTITION, MessageRepository
from quality.testkit.fixtures import Context, queue
from quality.testkit.services.checks import check_one
from quality.testkit.services.messages import AMPLE, LEAD, PARTNER, World, answers, fails, world
from quality.testkit.template import template

__all__ = ["world"]


@dataclass
class Lender:
    """A partner that says the next of its statuses."""

    says: Iterator[str]
    seconds_per_check: float = 10.0

    def status(self, deal_id: int, budget: Budget) -> str:
        return next(self.says)


@pytest.fixture
def deal(world: World) -> World:
    """The lead has become a deal."""
    delivery = world.store.delivery(LEAD.lead_id, PARTNER)
    assert delivery is not None
    started = world.store.apply(delivery_steps.start_attempt(delivery, world.time(), timedelta(minutes=1)))
    world.store.apply(delivery_steps.confirm(started, world.time(), 24, is_followed=True))
    return world


def look(world: World, shipped: Settings, lender: Any) -> Outcome:
    world.time.pass_(seconds=1)
    checker = Checker(world.store, StatusByDeal(lender), shipped.partners[PARTNER], world.time)
    return check_one(checker, LEAD.lead_id, PARTNER, AMPLE, at_once=True).outcome


def test_each_status_from_the_second_on_asks_for_one_message(deal: World, shipped_settings: Settings) -> None:
    said = ["В обробці", "В обробці", "Погоджено", "Погоджено", "В обробці", "Видано", "Видано"]
    lender = Lender(iter(said))
    for _ in said:
        look(deal, shipped_settings, lender)
    messages = deal.outbox.messages(LEAD.lead_id)
    assert [message.partner_status for message in messages] == ["Погоджено", "В обробці", "Видано"]
    assert all(message.state is MessageState.PENDING and message.due_at is not None for message in messages)
    deal.rounds(*messages)
    assert deal.messenger.texts == ["Статус: Погоджено.", "Статус: В обробці.", "t1"]
    assert deal.messenger.sent[-1][1].variables == {"deal": "24"}


def test_two_workers_with_one_answer_ask_for_one_message(deal: World, shipped_settings: Settings) -> None:
    look(deal, shipped_settings, Lender(iter(["В обробці"])))

    class Both(Lender):
        """While this one asks, another worker has noted the same answer."""

        def status(self, deal_id: int, budget: Budget) -> str:
            look(deal, shipped_settings, Lender(iter(["Погоджено"])))
            return "Погоджено"

    assert look(deal, shipped_settings, Both(iter(()))) is Outcome.NO_ACTION
    assert [message.partner_status for message in deal.outbox.messages(LEAD.lead_id)] == ["Погоджено"]


def test_a_status_that_closes_the_deal_is_reported_too(deal: World, shipped_settings: Settings) -> None:
    lender = Lender(iter(["В обробці", "Видано"]))
    assert [look(deal, shipped_settings, lender) for _ in range(2)] == [Outcome.CHANGED, Outcome.CLOSED]
    delivery = deal.store.delivery(LEAD.lead_id, PARTNER)
    assert delivery is not None
    assert delivery.state is State.CLOSED
    assert [message.partner_status for message in deal.outbox.messages(LEAD.lead_id)] == ["Видано"]


@pytest.fixture
def send_message(
    world: World,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:
    """The function, with a messenger of the test's."""
    monkeypatch.setenv("QUEUE_URL", queue("messages"))
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", queue("messages-dead"))
    app = function("send_message")
    monkeypatch.setattr(app, "leeloo", lambda timeouts, **api: None)
    monkeypatch.setattr(app, "LeelooMessenger", lambda leeloo, channel: world.messenger)
    return app


def records(*bodies: Any) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"m{number}", "receiptHandle": f"r{number}", "body": json.dumps(body)}
            for number, body in enumerate(bodies)
        ]
    }


def changed(message: Message) -> dict[str, Any]:
    return {"detail-type": "MessageChanged", "detail": MessageChanged.of(message).detail()}


def test_the_function_sends_the_message_that_the_event_names(
    world: World, send_message: ModuleType, context: Context
) -> None:
    message = world.by_hand(text="Вітаю")
    assert send_message.handler(records(changed(message), changed(message)), context) == {"batchItemFailures": []}
    assert world.messenger.texts == ["Вітаю"]


def test_the_function_sends_what_find_due_found(
    world: World, send_message: ModuleType, function: Callable[[str], ModuleType], context: Context
) -> None:
    world.by_hand(text="Вітаю")
    (due,) = world.store.due(DUE_PARTITION, world.time() + timedelta(days=1), 10)
    body = message_body(due)
    assert send_message.handler(records(body, body), context) == {"batchItemFailures": []}
    assert world.messenger.texts == ["Вітаю"]


def test_sent_message_whose_answer_cannot_be_written_leaves_the_answer_in_a_letter(
    world: World, send_message: ModuleType, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is throttled from the moment at which Leeloo answers."""
    message, waited = world.by_hand(text="Вітаю"), []
    apply = MessageRepository.apply

    def throttled(self: MessageRepository, change: MessageChange, *, retry_for: float = RETRY_FOR) -> Message:
        if change.after.state is not MessageState.SENT:
            return apply(self, change, retry_for=retry_for)
        waited.append(retry_for)
        raise Contended

    monkeypatch.setattr(MessageRepository, "apply", throttled)
    assert send_message.handler(records(changed(message)), context) == {"batchItemFailures": []}
    assert waited[0] > RETRY_FOR, "the rest of the invocation is there to write the answer"
    (letter,) = aws.sqs().receive_message(QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"])["Messages"]
    assert json.loads(letter["Body"]) == {
        "lead_id": LEAD.lead_id,
        "message_id": message.message_id,
        "step": "record_answer",
        "reason": SEND_NOT_RECORDED.text,
        "reason_code": "answer_not_recorded",
        "answer": {"outcome": "sent"},
        "attempt": 1,
    }
    assert world.messenger.texts == ["Вітаю"]


def test_a_dead_letter_says_whose_it_was_and_none_of_the_words(
    world: World, send_message: ModuleType, context: Context
) -> None:
    world.messenger.on_send = answers(fails(partner_errors.Misconfigured))
    message = world.by_hand(text="Ваш код 1234")
    assert send_message.handler(records(changed(message)), context) == {"batchItemFailures": []}
    (letter,) = aws.sqs().receive_message(QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"])["Messages"]
    assert json.loads(letter["Body"]) == {
        "lead_id": LEAD.lead_id,
        "message_id": message.message_id,
        "step": "send",
        "reason": "as the test wants",
        "reason_code": "misconfigured",
    }


def test_the_functions_time_is_enough_for_a_whole_message(shipped_settings: Settings) -> None:
    properties = template()["Resources"]["SendMessage"]["Properties"]
    messages = shipped_settings.messages
    leeloo = Leeloo(Client(Transport("leeloo", messages.timeouts), None))  # type: ignore[arg-type]
    messenger = LeelooMessenger(leeloo, messages.channel)
    budget = Budget(deadline=properties["Timeout"] - 5.0, monotonic=lambda: 0.0)  # a cold start takes a few seconds
    assert budget.allows(messenger.seconds_per_message)
    assert messenger.seconds_per_send < messenger.seconds_per_message
    visible = template()["Resources"]["MessageQueue"]["Properties"]["VisibilityTimeout"]
    assert visible >= 6 * properties["Timeout"]
