"""Renew the pictures of docs/console/: `make test ARGS=tests/browser/screenshots.py`. It is not part of the tests."""

from base64 import b64encode
from typing import Any

from playwright.sync_api import Browser, Page

from leadbridge.domain.admission import Pause
from leadbridge.domain.clock import utc_now
from leadbridge.runtime import aws
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from quality.testkit.browser.world import Open, World, busy
from quality.testkit.fixtures import TABLE
from quality.testkit.template import ROOT

FOLDER = ROOT / "docs" / "console"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}
NOTICE = 8_500  # milliseconds; by then a notice is gone
DRAWN = 300  # milliseconds; a chart is drawn after its box has a size


def shot(page: Page, ready: str) -> bytes:
    """Return a picture of the window, once `ready` is there."""
    page.locator(ready).first.wait_for()
    page.wait_for_timeout(DRAWN)
    return page.screenshot()


def side_by_side(browser: Browser, shots: list[bytes]) -> bytes:
    """Return one picture of several."""
    page = browser.new_page(viewport={"width": 410 * len(shots) - 20, "height": 760})
    images = "".join(f'<img src="data:image/png;base64,{b64encode(one).decode()}">' for one in shots)
    page.set_content(f'<body style="margin:0;display:flex;gap:20px;background:#9aa5b1">{images}')
    picture = shot(page, "img")
    page.close()
    return picture


def test_pictures(browser: Browser, open_console: Open, world: World) -> None:
    leads = busy(world)
    lead = f"#/leads/{leads['unknown'].lead_id}"
    views = {"overview": ("", 1100, "canvas"), "list": ("#/leads", 760, "#rows a"), "lead": (lead, 760, ".entries li")}
    for name, (path, height, ready) in views.items():
        page = open_console(path=path, viewport={"width": 1080, "height": height})
        (FOLDER / f"{name}.png").write_bytes(shot(page, ready))
    PartnerStates(Table(aws.dynamodb(), TABLE)).pause("matchtrade", Pause("no budget this week", "olena", utc_now()))
    page = open_console(path="#/partners", viewport={"width": 1080, "height": 560})
    (FOLDER / "partners.png").write_bytes(shot(page, ".partner"))
    page = open_console(path="#/partners/route?source=web", viewport={"width": 1080, "height": 700})
    page.get_by_role("button", name="Test", exact=True).click()
    (FOLDER / "route.png").write_bytes(shot(page, ".rules"))
    page = open_console(path=f"#/leads/{leads['incomplete'].lead_id}", viewport={"width": 1080, "height": 760})
    page.get_by_role("button", name="Correct…").click()
    page.wait_for_timeout(NOTICE)
    page.evaluate("document.querySelector('.correction').scrollIntoView()")
    (FOLDER / "correction.png").write_bytes(shot(page, ".editor"))
    phones = {"": ".charts .card", "#/leads": "#rows a", "#/dead-letters": ".dead-letters li"}
    shots = [shot(open_console(path=path, locale="uk-UA", **PHONE), ready) for path, ready in phones.items()]
    (FOLDER / "phone.png").write_bytes(side_by_side(browser, shots))
