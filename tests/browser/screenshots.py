"""Renew the pictures of docs/console: `make screenshots`. It is not part of the tests."""

from base64 import b64encode
from datetime import UTC, datetime, tzinfo
from typing import Any, Self

import pytest
from playwright.sync_api import Browser, Page

from leadbridge.domain import clock
from leadbridge.domain.admission import Pause
from leadbridge.domain.errors.field_codes import FieldCode, FieldError
from leadbridge.runtime import aws
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.statistics.posts import PostCounter, RefusedLead
from leadbridge.storage.table import Table
from quality.testkit.browser.pictures import FOLDER, compressed, write_manifest
from quality.testkit.browser.world import Open, World, busy
from quality.testkit.fixtures import TABLE

NOW = datetime(2026, 11, 4, 9, 30, tzinfo=UTC)
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}
# The server of the pictures has another port each time.
NAME_ADDRESSES = """() => document.querySelectorAll(".address").forEach((one) => {
  one.textContent = one.textContent.replace(/^.*(?=\\/webhooks)/, "https://leads.example.com/v1");
})"""
DRAWN = 300  # milliseconds; a chart is drawn after its box has a size


class StoppedClock(datetime):
    """A clock that always shows the same time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        """Return the time."""
        return cls.fromtimestamp(NOW.timestamp(), tz)


def shot(page: Page, ready: str) -> bytes:
    """Return a picture of the window without notices, once `ready` is there."""
    page.locator(ready).first.wait_for()
    page.wait_for_timeout(DRAWN)
    page.evaluate("document.getElementById('notices')?.replaceChildren()")
    return page.screenshot()


def side_by_side(page: Page, shots: list[bytes]) -> bytes:
    """Return one picture of several."""
    page.set_viewport_size({"width": 410 * len(shots) - 20, "height": 760})
    images = "".join(f'<img src="data:image/png;base64,{b64encode(one).decode()}">' for one in shots)
    page.set_content(f'<body style="margin:0;display:flex;gap:20px;background:#9aa5b1">{images}')
    return shot(page, "img")


def test_pictures(browser: Browser, open_console: Open, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "datetime", StoppedClock)
    monkeypatch.setattr("quality.testkit.memory_aws.sqs.unix_seconds", NOW.timestamp)
    blank = browser.new_page()
    leads = busy(world)

    def opened(path: str, height: int, **options: Any) -> Page:
        return open_console(path=path, clock=NOW, **{"viewport": {"width": 1080, "height": height}, **options})

    def save(name: str, picture: bytes) -> None:
        (FOLDER / f"{name}.png").write_bytes(compressed(blank, picture))

    save("overview", shot(opened("", 1420), "canvas"))
    save("list", shot(opened("#/leads", 760), "#rows a"))
    save("lead", shot(opened(f"#/leads/{leads['unknown'].lead_id}", 760), ".entries li"))
    PartnerStates(Table(aws.dynamodb(), TABLE)).pause("matchtrade", Pause("no budget this week", "olena", NOW))
    save("partners", shot(opened("#/partners", 560), ".partner"))
    posts = PostCounter(Table(aws.dynamodb(), TABLE), "Europe/Kyiv", {"plain-credit", "web"})
    errors = (FieldError("person.phone", FieldCode.REQUIRED),)
    posts.count("plain-credit", "invalid-lead", NOW, RefusedLead(errors, ("your-telephone",)))
    posts.count("web", "repeated", NOW)
    page = opened("#/sources", 760)
    shot(page, "[data-source]")
    page.evaluate(NAME_ADDRESSES)
    save("sources", shot(page, "[data-source]"))
    page = opened("#/partners/route?source=web", 700)
    page.get_by_role("button", name="Test", exact=True).click()
    save("route", shot(page, ".rules"))
    page = opened(f"#/leads/{leads['incomplete'].lead_id}", 760)
    page.get_by_role("button", name="Correct…").click()
    page.locator(".editor").wait_for()
    page.evaluate("document.querySelector('.correction').scrollIntoView()")
    save("correction", shot(page, ".editor"))
    phones = {"": ".group", "#/leads": "#rows a", f"#/leads/{leads['failed'].lead_id}": ".entries li"}
    shots = [shot(opened(path, 760, locale="uk-UA", **PHONE), ready) for path, ready in phones.items()]
    save("phone", side_by_side(blank, shots))
    blank.close()
    write_manifest()
