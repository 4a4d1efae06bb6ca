"""Many people, many changes, many workers, everything twice and out of order: each is told once, the newest last."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import MessageState
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.runtime.budget import Budget
from leadbridge.services.check_status import Checker, StatusByDeal
from leadbridge.services.worker import Outcome
from quality.testkit.clients.leadleader import SETTINGS, Clock
from quality.testkit.clients.leeloo import LeelooWorld, budget, leeloo_world
from quality.testkit.clients.messaging import LENDER, Office, settings
from quality.testkit.people import lead
from quality.testkit.services.checks import check_one
from quality.testkit.template import template

WORKERS = 4
RECEIVES_ALLOWED = template()["Resources"]["MessageQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
FAULTS: list[dict[str, Any]] = [
    {"kind": "drop", "when": "before"},
    {"kind": "drop", "when": "after"},
    {"kind": "html", "status": 502, "processed": True},
    {"kind": "empty"},
    {"kind": "rate_limit", "retry_after": 2},
    {"kind": "answer", "status": 401},
    {"kind": "answer", "status": 400, "body": {"status": 0, "error": {"code": "FORMAT_ERROR"}}},
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[LeelooWorld]:
    """A sandbox that lives by the test's clock."""
    directory = tmp_path_factory.mktemp("sandbox")
    with (
        Sandbox(directory, pace=3600, clock=lambda: clock().timestamp()) as sandbox,
        leeloo_world(sandbox) as surroundings,
    ):
        yield surroundings


@dataclass
class Lender:
    """A partner whose deals have the status that the test has given them."""

    statuses: dict[int, str] = field(default_factory=dict)
    seconds_per_check: float = 1.0

    def status(self, deal_id: int, budget: Budget) -> str:
        return self.statuses[deal_id]


@dataclass
class Town:
    """People with a deal each, some of whom Leeloo knows by phone, some by e-mail, some not at all."""

    office: Office
    remote: Remote
    people: dict[int, Lead]
    lender: Lender = field(default_factory=Lender)

    def change(self, number: int, status: str) -> None:
        """A deal's status changes, and two checks hear of it."""
        self.office.clock.now += timedelta(milliseconds=200)
        self.lender.statuses[number] = status
        checker = Checker(self.office.table, StatusByDeal(self.lender), SETTINGS, self.office.clock)
        for _ in range(2):
            check_one(checker, self.people[number].lead_id, LENDER, budget(), at_once=True)

    def texts(self, number: int) -> list[str]:
        """What this person was told, in the order in which it was told."""
        return [
            message["text"] for message in self.remote.rows("leeloo/messages", phone=self.people[number].person.phone)
        ]


def town_of(world: LeelooWorld, clock: Clock, people: int, *, workers: int = WORKERS, **options: Any) -> Town:
    """So many people, whose deals have their first status, of which nobody is told."""
    tool_id = world.company["tunnels"][0]["leadgentools"][0]["id"]
    configuration = settings(channel={"wait_for_sms": "24h", "preferred": "TELEGRAM", "lead_tool": tool_id})
    messengers = [LeelooMessenger(world.api(), configuration.channel) for _ in range(workers)]
    office = Office.of(messengers, configuration, clock, **options)
    leads = {
        number: lead(number, phone=f"+38067{number:07d}", email=f"n{number}@example.com", received_at=clock())
        for number in range(1, people + 1)
    }
    town = Town(office, world.remote, leads)
    for number, each in leads.items():
        office.table.deal(each, number)
        if number % 3:
            world.person(phone=each.person.phone, email=each.person.email)
        town.change(number, "крок 0")
    assert list(office.book.everything()) == []
    return town


@pytest.mark.parametrize("meanwhile", [False, True], ids=["all at once", "while they are being told"])
@pytest.mark.parametrize("seed", [1, 2])
def test_200_changes_delivered_twice_and_out_of_order_reach_each_person_once_and_the_newest_last(
    world: LeelooWorld, clock: Clock, seed: int, meanwhile: bool
) -> None:
    town = town_of(world, clock, 20, copies=2, seed=seed)
    chance = random.Random(seed)
    order = [number for number in town.people for _ in range(10)]
    chance.shuffle(order)
    told: Counter[int] = Counter()
    for number in order:
        told[number] += 1
        town.change(number, f"крок {told[number]}")
        if meanwhile and chance.random() < 0.2:
            town.office.work()
    town.office.work_until_all_is_settled(timedelta(hours=1))

    assert told == dict.fromkeys(town.people, 10)
    for number in town.people:
        assert town.texts(number) == [f"Статус: крок {step}." for step in range(1, 11)]
    assert len(world.remote.rows("leeloo/messages")) == 200
    assert len(world.remote.rows("leeloo/people")) == 20, "who was not known is known once"
    assert {message.state for message in town.office.book.everything()} == {MessageState.SENT}
    assert town.office.outcomes()[Outcome.SENT] == 200
    assert town.office.dead_letters == []


@pytest.mark.parametrize(
    "limit",
    [{"status": 429, "retry_after": 1}, {"status": 200}],
    ids=["429 with Retry-After", "plain text at 200"],
)
def test_a_rate_limited_leeloo_slows_the_queue_down_and_nothing_fails_or_is_lost(
    world: LeelooWorld, clock: Clock, limit: dict[str, Any]
) -> None:
    people, changes, calls_per_second = 20, 3, 5
    town = town_of(world, clock, people, workers=8)
    for step in range(1, changes + 1):
        for number in town.people:
            town.change(number, f"крок {step}")
    world.remote.post("leeloo/limit", {"calls": calls_per_second, "seconds": 1, **limit})
    took = town.office.work_until_all_is_settled(timedelta(hours=2))

    calls = world.remote.calls("leeloo")
    taken = [call for call in calls if call["outcome"] == "answered" and not call.get("refused")]
    refused = len(calls) - len(taken)
    visits, outcomes = len(town.office.visits), town.office.outcomes()
    messages = list(town.office.book.everything())
    most_receives = max(town.office.queue.receives.values())
    print(
        f"\n{len(messages)} messages at {calls_per_second} calls a second: all sent in {took.total_seconds():.0f} s,"
        f" {len(calls)} calls of which {refused} were refused, {visits} visits, {outcomes[Outcome.FAILED]} failures;"
        f" of one message at most {max(one.attempts for one in messages)} attempts, {most_receives} visits"
    )
    for number in town.people:
        assert town.texts(number) == [f"Статус: крок {step}." for step in range(1, changes + 1)]
    assert {message.state for message in messages} == {MessageState.SENT}
    assert outcomes[Outcome.SENT] == people * changes
    assert outcomes[Outcome.FAILED] + outcomes[Outcome.UNKNOWN] + outcomes[Outcome.NO_CHANNEL] == 0
    assert town.office.dead_letters == []
    assert refused > 0
    assert took >= timedelta(seconds=len(taken) / calls_per_second - 1), "it cannot be faster than it may"
    assert took <= timedelta(minutes=10)
    assert most_receives < RECEIVES_ALLOWED / 2, "nor does any end in the dead-letter queue for having waited"


def test_announcements_that_are_lost_hold_messages_up_and_lose_none(world: LeelooWorld, clock: Clock) -> None:
    """Every other announcement gets lost on its way: the schedule finds what nobody brought up, the order holds."""
    town = town_of(world, clock, 10)
    chance = random.Random(1)
    announce = town.office.announce
    town.office.book.listening = lambda message: announce(message) if chance.random() < 0.5 else None
    for step in range(1, 4):
        for number in town.people:
            town.change(number, f"крок {step}")
    town.office.work_until_all_is_settled(timedelta(days=2))
    for number in town.people:
        assert town.texts(number) == [f"Статус: крок {step}." for step in range(1, 4)]
    assert town.office.dead_letters == []


def test_behind_a_message_whose_announcement_was_lost_the_next_one_waits_and_does_not_die(
    world: LeelooWorld, clock: Clock
) -> None:
    town = town_of(world, clock, 1)
    announce = town.office.announce
    town.office.book.listening = lambda message: None
    town.change(1, "крок 1")
    town.office.book.listening = announce
    town.change(1, "крок 2")
    took = town.office.work_until_all_is_settled(timedelta(hours=1))
    most_receives = max(town.office.queue.receives.values())
    print(f"\nsettled after {took}, {most_receives} visits of one message")
    assert town.texts(1) == ["Статус: крок 1.", "Статус: крок 2."]
    assert most_receives < RECEIVES_ALLOWED


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_message_is_sent_twice_or_out_of_order_whatever_leeloo_answers(
    world: LeelooWorld, clock: Clock, seed: int
) -> None:
    town = town_of(world, clock, 10, copies=2, seed=seed)
    chance = random.Random(seed)
    for operation in ("people_list", "person_create", "send_message"):
        for fault in FAULTS:
            world.remote.arm("leeloo", operation, fault, skip=chance.randrange(10), times=chance.randrange(1, 4))
    for step in range(1, 6):
        for number in town.people:
            town.change(number, f"крок {step}")
        town.office.work()
    town.office.work_until_all_is_settled(timedelta(days=2))

    states: Counter[MessageState] = Counter()
    for number, person in town.people.items():
        messages = town.office.book.messages(person.lead_id)
        texts = town.texts(number)
        assert texts == sorted(set(texts)), "each once, the newest last"
        for message in messages:
            states[message.state] += 1
            arrived = f"Статус: {message.partner_status}." in texts
            assert arrived or message.state is not MessageState.SENT
            assert not arrived or message.state in {MessageState.SENT, MessageState.UNKNOWN}
    assert states[MessageState.SENT] > states[MessageState.UNKNOWN] > 0
    assert states.total() == 50
    assert len(town.office.dead_letters) >= states[MessageState.FAILED]
