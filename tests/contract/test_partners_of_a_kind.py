"""A second partner of a kind is a section of the configuration and an object in the kind's secret: nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from leadbridge import settings
from leadbridge.domain.accounts.scan import ScanState
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.partners.http import Answer, Transport
from leadbridge.runtime import aws
from leadbridge.storage.accounts import AccountRepository
from leadbridge.storage.table import Table
from quality.testkit.aws.all_flows import post
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack
from quality.testkit.configuration import CONFIG
from tools.config import ship

BROKER_A, BROKER_B = (
    {
        "base_url": f"https://{name}.example.com",
        "client_id": name,
        "client_secret": f"client secret of {name}",
        "username": name,
        "password": f"password of {name}",
        "offer_uuid": f"offer-of-{name}",
        "partner_id": number,
    }
    for number, name in enumerate(("broker-a", "broker-b"))
)
ANSWERS: dict[str, dict[str, Any]] = {
    "token": {"access_token": "t", "expires_in": 600},
    "create": {"uuid": "an-account"},
    "list": {"content": [], "totalPages": 0, "totalElements": 0},
}
WEB = "whsec_" + "YWJj" * 8


@dataclass
class Broker:
    """Answers all brokers' calls, and notes the partner and the address of each."""

    calls: list[tuple[str, str, str, Any]] = field(default_factory=list)
    is_down: set[str] = field(default_factory=set)
    before_list: Callable[[str], None] = lambda _: None

    def call(self, transport: Transport, operation: str, _: str, url: str, **given: Any) -> Answer:
        """Answer as a broker does."""
        if operation == "list":
            self.before_list(transport.partner)
        self.calls.append((transport.partner, operation, url, given.get("json")))
        if transport.partner in self.is_down:
            return Answer(503, {}, b"", transport.partner)
        return Answer(200, {}, json.dumps(ANSWERS[operation]).encode(), transport.partner)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(Transport, "call", lambda *args, **given: made.call(*args, **given))  # noqa: PLW0108 - self is the transport
    return made


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[MemoryStack]:
    """The stack with a second broker, to which the trading source sends its leads."""
    folder = tmp_path / "config"
    shutil.copytree(CONFIG, folder)
    partners = folder / "partners.toml"
    text = partners.read_text(encoding="utf-8")
    section = text[text.index("[matchtrade]") :]
    second = section.replace("[matchtrade", "[broker-b").replace('time_zone = "UTC"', 'time_zone = "Europe/Kyiv"')
    partners.write_text(f"{text}\n{second}", encoding="utf-8")
    sources = folder / "sources.toml"
    text = sources.read_text(encoding="utf-8")
    web_trading = text.index("[web-trading]")
    route = 'partners = [{ to = ["broker-b", "matchtrade"] }]\ndefaults = { "trading.offer" = "Silver" }'
    text = text[:web_trading] + text[web_trading:].replace('partners = ["matchtrade"]', route, 1)
    sources.write_text(text, encoding="utf-8")
    with (folder / "messages.toml").open("a", encoding="utf-8") as messages:
        messages.write("\n[notifications.broker-b.default]\non = false\n")
    ship(folder, tmp_path / "shipped")
    with memory_stack() as made, patch.object(settings, "_SHIPPED", tmp_path / "shipped"):
        settings.settings.cache_clear()
        made.put_secret("sources", {"web-trading": {"secrets": [WEB]}})
        yield made


def test_a_lead_reaches_the_second_broker_with_its_own_credentials(stack: MemoryStack, broker: Broker) -> None:
    stack.put_secret("matchtrade", {"matchtrade": BROKER_A, "broker-b": BROKER_B})
    (lead_id,) = post(stack, "trading")
    stack.carry()
    delivery = stack.store.delivery(lead_id, "broker-b")
    assert delivery is not None
    assert (delivery.state, delivery.account_uuid) == (State.SUBMITTED, "an-account")
    (token, create) = broker.calls
    assert token[:3] == ("broker-b", "token", "https://broker-b.example.com/proxy/auth/oauth/token")
    assert create[2].startswith("https://broker-b.example.com/")
    assert (create[3]["offerUuid"], create[3]["account"]["partnerId"]) == ("offer-of-broker-b", 1)
    assert stack.store.owner_of("broker-b", "an-account") == lead_id
    assert stack.store.owner_of("matchtrade", "an-account") is None


@pytest.mark.parametrize(
    ("named", "offers", "uuid", "unknown"),
    [
        (" gOLD ", {"Gold": "uuid-gold"}, "uuid-gold", None),
        ("", {"silver": "uuid-silver"}, "uuid-silver", None),
        ("Bronze", {"silver": "uuid-silver"}, "offer-of-broker-b", "Bronze"),
        ("B" * 200, {"silver": "uuid-silver"}, "offer-of-broker-b", "B" * 64),
        ("Bronze", {}, "offer-of-broker-b", None),
    ],
    ids=["named", "the source's default", "unknown", "long", "no offers"],
)
def test_a_lead_is_created_at_its_offer_and_an_unknown_one_is_a_warning(
    stack: MemoryStack, broker: Broker, named: str, offers: dict[str, str], uuid: str, unknown: str | None
) -> None:
    stack.put_secret("matchtrade", {"matchtrade": BROKER_A, "broker-b": {**BROKER_B, "offers": offers}})
    (lead_id,) = post(stack, "trading", **{"Перший крок": named})
    stack.carry()
    assert broker.calls[-1][3]["offerUuid"] == uuid
    journey = stack.store.journey(lead_id)
    assert journey is not None
    (sent,) = [entry for entry in journey.timeline if entry.what == "submitting"]
    warning = {} if unknown is None else {"warning_code": "offer_unknown", "offer": unknown}
    assert sent.data == {"attempt": 1, **warning}
    assert bool(unknown) is ("no offer of this name" in str(sent.detail))


@pytest.mark.parametrize(
    ("secret", "text"),
    [
        (BROKER_A, 'secret matchtrade is flat, but several partners use it: store {"broker-b": {…}}'),
        ({"matchtrade": BROKER_A}, 'secret matchtrade has no object "broker-b"'),
    ],
)
def test_a_broker_without_its_object_gets_no_lead_with_the_credentials_of_another(
    stack: MemoryStack, broker: Broker, secret: dict[str, Any], text: str
) -> None:
    stack.put_secret("matchtrade", secret)
    (lead_id,) = post(stack, "trading")
    stack.carry()
    delivery = stack.store.delivery(lead_id, "broker-b")
    assert delivery is not None
    assert broker.calls == []
    assert (delivery.state, delivery.last_error_code) == (State.RECEIVED, ErrorCode.SECRET_MISSING)
    assert text in str(delivery.last_error)


@pytest.mark.filterwarnings("ignore:No application metrics to publish")  # of the broker without a secret
def test_a_broker_that_hangs_does_not_delay_the_sync_of_the_next(stack: MemoryStack, broker: Broker) -> None:
    """While a call to one broker lasts, ticks come, another invocation reads the other's list, and no run overlaps."""
    stack.put_secret("matchtrade", {"matchtrade": BROKER_A, "broker-b": BROKER_B})
    stack.invoke("SyncAccounts", {})
    hung: list[str] = []
    read_meanwhile: set[str] = set()

    def hang(partner: str) -> None:
        if hung:
            return
        hung.append(partner)
        stack.invoke("SyncAccounts", {})
        stack.carry()
        read_meanwhile.update(partner for partner, operation, *_ in broker.calls if operation == "list")
        broker.is_down.add(partner)

    broker.before_list = hang
    stack.carry()
    others = {"matchtrade", "broker-b"}.difference(hung)
    assert read_meanwhile == others
    states = {partner: sync_state(partner) for partner in ("matchtrade", "broker-b")}
    assert {partner for partner, state in states.items() if state.full_scan_finished_at is not None} == others
    broker.is_down.clear()
    stack.invoke("SyncAccounts", {})
    stack.carry()
    assert sync_state(hung[0]).full_scan_finished_at is not None


def sync_state(partner: str) -> ScanState:
    """The progress of a partner's sync."""
    state = AccountRepository(Table(aws.dynamodb(), "Leads"), partner, str).state()
    assert state is not None
    return state
