"""A marketer's day: connect a form, see its first post refused, correct a field's name, compare two campaigns."""

import json
import re
import sys
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import ViewportSize, expect

from leadbridge.domain.delivery import State
from leadbridge.runtime import aws
from quality.testkit.browser.axe import violations
from quality.testkit.browser.gateway import STAGE
from quality.testkit.browser.world import NAMES, Open, World

TOKEN = "a token of the tests alone"
NARROW: ViewportSize = {"width": 320, "height": 700}
ANSWERS = {"your-tax-number": "3068208400", "your-activity": "вчителька", "amount": "6000", "term": "12"}


def post(world: World, number: int, phone_field: str, campaign: str) -> tuple[int, dict[str, Any]]:
    """Post a person's answers, as the form's server does."""
    fields = {"your-name": NAMES[number % len(NAMES)], phone_field: f"0500{number:06d}", **ANSWERS}
    fields |= {"utm_campaign": campaign, "favourite-colour": "red"}
    call = world.gateway.answer(
        "POST",
        f"{STAGE}/webhooks/plain-credit?{urlencode({'token': TOKEN})}",
        {"content-type": "application/json"},
        json.dumps(fields),
    )
    return call.status, json.loads(call.body)


@pytest.fixture
def refusing(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The source refuses a lead that no partner can take."""
    app = sys.modules[world.gateway.handlers["receive_lead"].__module__]
    receiver = app.receiver()
    form = receiver.settings.sources["plain-credit"].model_copy(update={"on_invalid": "refuse"})
    settings = receiver.settings.model_copy(update={"sources": {**receiver.settings.sources, "plain-credit": form}})
    monkeypatch.setattr(app, "receiver", lambda: replace(receiver, settings=settings))
    return world


def test_a_form_is_connected_and_two_campaigns_are_compared(open_console: Open, refusing: World) -> None:
    world = refusing
    secrets = {"plain-credit": {"secrets": [TOKEN]}}
    aws.secrets_manager().create_secret(Name="leadbridge/sources", SecretString=json.dumps(secrets))
    page = open_console(path="#/sources")
    card = page.get_by_role("region", name="plain-credit")
    notices = page.locator("#notices")

    # The form is configured, and has no posts yet.
    expect(card).to_contain_text("No posts")
    expect(card).to_contain_text(f"{world.gateway.url}/webhooks/plain-credit")
    card.get_by_role("button", name="Send a test post").click()
    expect(notices).to_contain_text("plain-credit is ready")
    page.get_by_role("region", name="tilda-credit").get_by_role("button", name="Send a test post").click()
    expect(notices).to_contain_text("tilda-credit cannot receive posts: it has no valid secret.")
    expect(card).to_contain_text("No posts")  # the form itself has not posted

    # Its first post has a wrong token, and the second one a wrong name for the phone.
    wrong = world.gateway.answer(
        "POST", f"{STAGE}/webhooks/plain-credit?token=x", {"content-type": "application/json"}, "{}"
    )
    assert wrong.status == 401
    expect(card).to_contain_text("Posts are refused")
    expect(card).to_contain_text("Wrong token or signature – 1")
    assert post(world, 1, "your-telephone", "spring")[0] == 422
    refused = card.locator("[data-refused]")
    expect(refused.get_by_role("listitem")).to_have_text("Phone: This field is missing.")
    expect(refused).to_contain_text("which are not configured: your-telephone, favourite-colour.")
    expect(card).to_contain_text("Data is missing or invalid – 1")

    # With the right name the leads are accepted.
    campaigns = ["spring"] * 3 + ["autumn"] * 3
    ids = []
    for number, campaign in enumerate(campaigns, start=2):
        status, answer = post(world, number, "your-phone", campaign)
        assert (status, answer["status"]) == (202, "received")
        ids.append(answer["lead_id"])
    assert post(world, 2, "your-phone", "spring")[1]["duplicate"] is True
    expect(card).to_contain_text("Connected")
    expect(card).to_contain_text("Accepted6")
    expect(refused).to_have_count(0)
    missing = ["your-email → E-mail", "your-city → City", "consent → Consent text"]
    expect(card.locator("[data-names=missing] li")).to_have_text(missing)
    expect(card.locator("[data-names=unused] li")).to_have_text(["favourite-colour"])
    expect(card).to_contain_text("Repeated1")
    card.get_by_text("By day").click()
    expect(card.get_by_role("row").nth(1).get_by_role("cell")).to_have_text(
        ["6", "0", "1", re.compile("^2.*Wrong token or signature – 1")]
    )
    page.set_viewport_size(NARROW)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.set_viewport_size({"width": 1200, "height": 850})

    # The lender issues loans to two people of one campaign, and to one of the other.
    for place in (0, 3, 4):
        journey = world.store.journey(ids[place])
        assert journey is not None
        world.bring(journey.lead, State.CLOSED)
    page.get_by_role("link", name="Overview", exact=True).click()
    page.get_by_label("Group by").select_option("campaign")
    rows = page.locator("[data-by=campaign] tbody tr")
    expect(rows.filter(has_text="spring")).to_contain_text("33%")
    expect(rows.filter(has_text="autumn")).to_contain_text("67%")
