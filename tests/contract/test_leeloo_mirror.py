"""What is noted about a person at Leeloo: tags that exist there, and a comment, over the real client."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from devstack.sandbox.server import Sandbox
from leadbridge.domain.errors.partner_errors import Unavailable, Unknown
from leadbridge.domain.lead import Person
from leadbridge.domain.message import status_crm_note
from leadbridge.domain.recipient import Content
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.runtime.budget import Budget
from leadbridge.services.message_text import render_message
from leadbridge.settings import Settings
from leadbridge.settings.messages import ChannelSettings
from quality.testkit.clients.leeloo import PARTNER, LeelooWorld, leeloo_world
from quality.testkit.people import lead
from quality.testkit.template import ROOT
from tools.config import read_toml

CHANNEL = ChannelSettings.model_validate({"preferred": "TELEGRAM", "wait_for_sms": "1h"})


@pytest.fixture
def leeloo(sandbox: Sandbox) -> Iterator[LeelooWorld]:
    """Leeloo and a client, with nothing wrong yet."""
    with leeloo_world(sandbox) as world:
        yield world


def budget() -> Budget:
    return Budget(time.monotonic() + 60)


def test_tags_that_exist_and_a_comment_are_written_to_the_person(leeloo: LeelooWorld) -> None:
    person = leeloo.person()
    messenger = LeelooMessenger(leeloo.api(), CHANNEL)
    found = messenger.find(Person(phone=person["phone"]), budget())
    assert found is not None
    messenger.note(
        found.person_id or "", Content(tags=("лід", "немає такого", "видано"), comment="Заявка 24"), budget()
    )
    (kept,) = leeloo.remote.rows("leeloo/people")
    assert sorted(kept["tags"]) == ["видано", "лід"]
    assert leeloo.arrived("add_comment")["body"] == {"comment": "Заявка 24"}
    assert len(leeloo.remote.calls(PARTNER, "tags_list")) == 1


def test_a_lost_reply_to_a_tag_is_retried_and_one_to_the_comment_is_not(leeloo: LeelooWorld) -> None:
    person_id = leeloo.person()["id"]
    messenger = LeelooMessenger(leeloo.api(), CHANNEL)
    leeloo.remote.arm(PARTNER, "add_tag", {"kind": "drop", "when": "after"})
    with pytest.raises(Unavailable):
        messenger.note(person_id, Content(tags=("лід",)), budget())
    messenger.note(person_id, Content(tags=("лід",)), budget())
    leeloo.remote.arm(PARTNER, "add_comment", {"kind": "drop", "when": "after"})
    with pytest.raises(Unknown):
        messenger.note(person_id, Content(comment="Заявка 24"), budget())


def test_a_mirror_holds_source_state_and_utm_as_configured() -> None:
    tables = read_toml(ROOT / "config", "prod")
    tables["messages"]["crm_note"]["on"] = True
    settings = Settings.model_validate(tables).messages
    one = lead().model_copy(update={"utm": {"utm_source": "google"}})
    mirror = status_crm_note(one.lead_id, "leadleader", 5, "Видано", datetime(2026, 3, 1, tzinfo=UTC))
    content = render_message(mirror, settings, one, None, None)
    assert content == Content(tags=("web", "Видано", "google"), comment="Заявка : Видано")
