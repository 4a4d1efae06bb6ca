"""The sweep does not use the road that may be broken: leads leave while the event bus takes nothing."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.storage.stream import EventPublisher
from quality.testkit.aws.all_flows import make_due, post, put_secrets
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack


@pytest.fixture
def stack(sandbox: Sandbox) -> Iterator[MemoryStack]:
    """A stack whose event bus takes every event and delivers none."""
    Remote(sandbox.url).reset()
    with memory_stack() as made, patch.object(EventPublisher, "publish", lambda _self, _events: iter(())):
        put_secrets(made, sandbox.secrets())
        yield made


def sweep(stack: MemoryStack) -> None:
    """Let every wait pass, and every schedule run."""
    make_due(stack)
    stack.tick()


def states(stack: MemoryStack, lead_id: str) -> dict[str, str]:
    """Return the states of a lead's deliveries, by partner."""
    journey = stack.store.journey(lead_id)
    assert journey is not None
    return {partner: delivery.state.value for partner, delivery in journey.deliveries.items()}


@pytest.mark.parametrize(("case", "partner"), [("good", "leadleader"), ("trading", "matchtrade")])
def test_a_lead_leaves_without_the_bus(stack: MemoryStack, case: str, partner: str) -> None:
    (lead_id,) = post(stack, case)
    stack.carry()
    assert states(stack, lead_id) == {partner: "received"}
    sweep(stack)
    assert states(stack, lead_id) == {partner: "submitted"}


def test_a_named_lead_is_fetched_and_leaves_without_the_bus(stack: MemoryStack, sandbox: Sandbox) -> None:
    answers = {
        "full_name": "Прикладенко Олена Іванівна",
        "phone_number": "+380500000001",
        "email": "olena@example.com",
        "ваш_податковий_номер_(рнокпп)?": "3068208400",
        "ким_ви_працюєте?": "вчителька",
        "яка_сума_вам_потрібна,_грн?": "6000",
        "на_скільки_місяців?": "12",
    }
    Remote(sandbox.url).post("graph/leads", {"answers": answers, "leadgen_id": "1202100000000011"})
    (lead_id,) = post(stack, "meta_lead")
    stack.carry()
    assert states(stack, lead_id) == {}
    sweep(stack)
    assert states(stack, lead_id) == {"leadleader": "received"}
    sweep(stack)
    assert states(stack, lead_id) == {"leadleader": "submitted"}
