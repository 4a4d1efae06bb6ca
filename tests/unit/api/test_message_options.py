"""What can be sent to a person: the configured templates, filled in, and whether a message will find them."""

from collections.abc import Callable
from typing import Any

import pytest

from leadbridge import settings as shipped
from leadbridge.domain import message as steps
from leadbridge.domain.lead import Lead
from leadbridge.domain.message import operator_message
from leadbridge.domain.recipient import Contact
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.settings.messages import OperatorTemplate
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.table import Table
from quality.testkit.fixtures import TABLE
from quality.testkit.operator_api import Get
from quality.testkit.people import NOW, lead

LEAD = lead()
ACCOUNT = "5f0c2a9d1c4ae81a2b3c4d5e"
Options = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def options(store: LeadRepository, shipped_settings: Settings, get: Get) -> Options:
    store.accept(LEAD, phone_hash=None)
    return lambda one=LEAD: get("/leads/{lead_id}/messages/options", lead_id=one.lead_id)


@pytest.fixture
def outbox() -> MessageRepository:
    return MessageRepository(Table(aws.dynamodb(), TABLE))


def configure(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Change the settings of messages for the API."""
    now = shipped.settings()
    messages = now.messages.model_copy(update=changes)
    changed = now.model_copy(update={"messages": messages})
    monkeypatch.setattr("leadbridge.api.routes.messages.settings", lambda: changed)


def test_templates_are_filled_in_and_in_the_persons_language(
    options: Options, outbox: MessageRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "greeting": OperatorTemplate(label={"uk": "Вітання"}, text={"uk": "Вітаємо, {full_name}!", "ru": "{amount}"}),
        "stored": OperatorTemplate(label={"en": "Terms"}, template_id="t1", variables={"sum": "{amount}"}),
        "old": OperatorTemplate(label={"en": "Old"}, on=False),
    }
    configure(monkeypatch, templates=given)
    greeting, stored = options()[1]["templates"]
    assert greeting == {
        "name": "greeting",
        "label": {"uk": "Вітання"},
        "text": f"Вітаємо, {LEAD.person.full_name}!",
        "template_id": None,
        "variables": {},
    }
    assert (stored["text"], stored["template_id"], stored["variables"]) == (None, "t1", {"sum": "6000"})
    outbox.remember(LEAD.lead_id, Contact(ACCOUNT, locale="ru_RU"))
    assert options()[1]["templates"][0]["text"] == "6000"


def test_the_shipped_templates_have_a_label_and_a_text_in_each_language(options: Options) -> None:
    status, found = options()
    assert status == 200
    assert [one["name"] for one in found["templates"]] == ["call_back", "check_data"]
    for template in found["templates"]:
        assert template["label"].keys() == {"uk", "ru", "en"}
        assert template["text"].startswith("Вітаємо!")


def test_the_channel_is_shown_before_a_message_is_written(
    options: Options, outbox: MessageRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert options()[1]["channel"] == "unknown"
    content: dict[str, Any] = {"account_id": None, "template_id": None, "text": "Вітаємо", "variables": {}}
    message = operator_message(LEAD.lead_id, NOW, "one", **content)
    outbox.add(message)
    outbox.apply(steps.no_channel(message, NOW))
    assert options()[1]["channel"] == "none"
    channel = shipped.settings().messages.channel
    configure(monkeypatch, channel=channel.model_copy(update={"lead_tool": "tool"}))
    assert options()[1]["channel"] == "creates"
    configure(monkeypatch, channel=channel.model_copy(update={"lead_tool": "tool", "sms_connection": "sms"}))
    assert options()[1]["channel"] == "invites"
    outbox.remember(LEAD.lead_id, Contact(asked_at=NOW))
    assert options()[1]["channel"] == "invited"
    outbox.remember(LEAD.lead_id, Contact(ACCOUNT))
    assert options()[1]["channel"] == "known"


def test_a_person_who_was_erased_or_is_unknown_gets_nothing(options: Options) -> None:
    other: Lead = lead(9)
    assert options(other)[0] == 404
    Eraser(Table(aws.dynamodb(), TABLE)).erase(LEAD.lead_id, "olena", NOW)
    assert options()[0] == 409
