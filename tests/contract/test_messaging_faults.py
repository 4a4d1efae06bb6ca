"""The fault matrix over finding a person, making one known and sending, as the whole flow lives through it.

Whatever Leeloo does, no message goes out twice; what surely did not go out goes out when Leeloo is well again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any, Literal

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.partner_errors import PartnerError, Rejected, Unknown
from leadbridge.domain.message import UNSETTLED, MessageState, status_notification
from leadbridge.partners.http import Transport
from leadbridge.partners.leeloo import Client, Leeloo
from leadbridge.partners.leeloo.answers import Reply
from leadbridge.partners.leeloo.client import Query
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.runtime.budget import Budget
from leadbridge.services import worker
from quality.testkit.clients.leadleader import Clock, Vault, short
from quality.testkit.clients.leeloo import PARTNER, SHORT, LeelooWorld, budget, leeloo_world
from quality.testkit.clients.leeloo_faults import MATRIX, Broken
from quality.testkit.clients.messaging import LENDER, Office, settings
from quality.testkit.people import lead

type Meaning = type[PartnerError] | None

HEALTHY = short(20, 20)
NUMBERS = count(1)  # every test has a person of its own: a call that is processed late must not reach the next one's


class Detour(Client):
    """Takes one operation to a partner where something is wrong, and all others to one where nothing is."""

    def __init__(self, operation: str, broken: Client, healthy: Client) -> None:
        self._operation, self._broken, self._healthy = operation, broken, healthy

    @property
    def seconds_per_call(self) -> float:
        """Seconds that a call can take."""
        return self._healthy.seconds_per_call

    def read(self, operation: str, path: Any, budget: Budget, query: Query = ()) -> Reply:
        """GET."""
        return self._for(operation).read(operation, path, budget, query)

    def send(self, operation: str, method: Literal["POST", "PUT"], path: Any, fields: Any, budget: Budget) -> Reply:
        """POST or PUT."""
        return self._for(operation).send(operation, method, path, fields, budget)

    def _for(self, operation: str) -> Client:
        return self._broken if operation == self._operation else self._healthy


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[LeelooWorld]:
    with leeloo_world(sandbox) as surroundings:
        yield surroundings


def office_of(world: LeelooWorld, operation: str, broken: Broken) -> Office:
    """An office whose one worker's calls of one operation go wrong."""
    healthy = Client(Transport(PARTNER, HEALTHY), Vault(world.vault.current, world.vault.get()))
    broken(world, operation)
    unwell = Client(Transport(PARTNER, short(SHORT, SHORT) if world.hasty else HEALTHY), world.vault)
    told: dict[str, Any] = {"text": {"uk": "Статус: {status}."}}
    if operation == "send_template":
        told = {"template_id": world.id_of("templates"), "variables": {"name": "{full_name}", "amount": "{amount}"}}
    channel: dict[str, Any] = {"wait_for_sms": "24h", "preferred": "TELEGRAM"}
    if operation == "person_create":
        channel["lead_tool"] = world.company["tunnels"][0]["leadgentools"][0]["id"]
    configuration = settings(notifications={LENDER: {"default": told}}, channel=channel)
    messenger = LeelooMessenger(Leeloo(Detour(operation, unwell, healthy)), configuration.channel)
    return Office.of([messenger], configuration, Clock())


def end_of(operation: str, meaning: Meaning) -> MessageState:
    """What becomes of a message when Leeloo is well again after the first try."""
    if meaning is not None and issubclass(meaning, Rejected):
        return MessageState.NO_CHANNEL if operation == "person_create" else MessageState.FAILED
    if meaning is Unknown and operation.startswith("send_"):
        return MessageState.UNKNOWN
    return MessageState.SENT


@pytest.mark.parametrize("operation", ["people_list", "person_create", "send_message", "send_template"])
@pytest.mark.parametrize(
    ("broken", "meanings"), [pytest.param(broken, meanings, id=what) for what, broken, meanings in MATRIX]
)
def test_through_each_fault_a_message_goes_out_once_or_an_operator_can_tell_why_not(
    world: LeelooWorld,
    operation: str,
    broken: Broken,
    meanings: tuple[Meaning, Meaning],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "ORDER_POLL", timedelta(seconds=30))  # of poll_interval: until another may create
    number = next(NUMBERS)
    someone = lead(number, phone=f"+38050{number:07d}", email=f"olha{number}@example.com")
    if operation != "person_create":
        world.person(phone=someone.person.phone, email=someone.person.email)
    meaning = meanings[0] if operation == "people_list" else meanings[1]
    end = end_of(operation, meaning)
    mended = world.vault.get()
    office = office_of(world, operation, broken)
    office.table.accept(someone)
    office.book.add(status_notification(someone.lead_id, LENDER, 2, "Погоджено", office.clock()))

    office.work()
    (after_first,) = office.book.messages(someone.lead_id)
    retried = meaning is not None and end is MessageState.SENT
    assert after_first.state is (MessageState.PENDING if retried else end)
    assert bool(office.dead_letters) == (end is MessageState.FAILED)

    world.remote.disarm()
    world.vault.replace(**mended)
    office.work_until_all_is_settled(timedelta(minutes=5))
    for _ in range(3):
        office.clock.now += timedelta(hours=12)
        office.senders[0].process(someone.lead_id, after_first.message_id, budget(1000), overdue=True)
        office.queue.put(someone.lead_id, after_first.message_id)
        office.work()

    (message,) = office.book.messages(someone.lead_id)
    assert message.state is end
    sent = [one for one in world.remote.rows("leeloo/messages") if one["phone"] == someone.person.phone]
    if end is MessageState.SENT:
        assert len(sent) == 1
        assert message.sent_at is not None
    elif end is MessageState.UNKNOWN:
        assert len(sent) <= 1
    else:
        assert sent == []


@pytest.mark.parametrize("operation", ["people_list", "person_create", "send_message"])
def test_faults_that_last_longer_than_a_day_end_in_a_dead_letter(world: LeelooWorld, operation: str) -> None:
    someone = lead(next(NUMBERS))
    if operation != "person_create":
        world.person(phone=someone.person.phone)

    def limited(world: LeelooWorld, operation: str) -> None:
        world.remote.arm(PARTNER, operation, {"kind": "rate_limit", "retry_after": 3600}, times=None)

    office = office_of(world, operation, limited)
    office.table.accept(someone)
    office.book.add(status_notification(someone.lead_id, LENDER, 2, "Погоджено", office.clock()))
    took = office.work_until_all_is_settled(timedelta(hours=26))
    (message,) = office.book.messages(someone.lead_id)
    assert (message.state, len(office.dead_letters)) == (MessageState.FAILED, 1)
    assert took >= timedelta(hours=24)
    assert world.remote.rows("leeloo/messages") == []
    assert message.state not in UNSETTLED
