"""The browser tier: the console in a real browser, before the real handlers over moto."""

import json
import os
from collections.abc import Callable, Iterator
from itertools import chain
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from leadbridge.api.resources import Resources
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.benchmarks.capacity import read_units, size
from quality.testkit.browser.chromium import OPT_OUT, NoChromium, chromium
from quality.testkit.browser.gateway import FUNCTIONS, Gateway, serving
from quality.testkit.browser.world import KEY, TOKENS, Open, World
from quality.testkit.fakes.registers import Knows
from quality.testkit.fixtures import Context, queue

OPTIONS = ("--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update")
TIMEOUT = 30_000  # milliseconds, for a machine with other things to do
QUEUES = ("submit-leadleader", "submit-matchtrade", "messages", "checks", "events")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, started once. The tests fail without one, unless they are opted out of."""
    if os.environ.get(OPT_OUT):
        pytest.skip(f"{OPT_OUT} is set")
    try:
        path = chromium()
    except NoChromium as error:
        pytest.fail(str(error), pytrace=False)
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*OPTIONS, "--disable-sync"])
        yield launched
        launched.close()


@pytest.fixture
def world(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """A stack with no leads, and the gateway before it."""
    aws.secrets_manager().create_secret(Name="leadbridge/index", SecretString=json.dumps({"key": KEY}))
    dead = {name: queue(f"dead-{name}") for name in QUEUES}
    alive = {name: queue(name) for name in QUEUES}
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps(dead))
    monkeypatch.setenv("QUEUES", json.dumps(alive))
    monkeypatch.setenv("CHECK_QUEUE_URL", alive["checks"])
    monkeypatch.setattr("leadbridge.services.dead_letters.queues.VISIBILITY_SECONDS", 0)
    modules = {flow: function(flow) for flow in FUNCTIONS.values()}
    partner = Knows()
    monkeypatch.setattr(Resources, "register", lambda *_: partner)
    handlers = {flow: module.handler for flow, module in modules.items()}
    gateway = Gateway(handlers, context, dict(TOKENS))
    watch_reads(gateway)
    with serving(gateway):
        yield World(store, gateway, dead, alive, partner)


def watch_reads(gateway: Gateway) -> None:
    """Note each read of the table with the capacity units that DynamoDB would charge for all that it touched."""

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        match model.name:
            case "Query" | "Scan":
                answered = sum(map(size, parsed.get("Items", [])))
                touched = answered * parsed.get("ScannedCount", 0) / max(1, parsed.get("Count", 0))
                gateway.reads.append((model.name, read_units(touched, is_consistent=False)))
            case "BatchGetItem":
                for item in chain.from_iterable(parsed.get("Responses", {}).values()):
                    gateway.reads.append((model.name, read_units(size(item), is_consistent=False)))
            case "GetItem":
                gateway.reads.append((model.name, read_units(size(parsed.get("Item", {})), is_consistent=True)))

    aws.dynamodb().meta.events.register("after-call.dynamodb", note)


@pytest.fixture
def open_console(browser: Browser, world: World) -> Iterator[Open]:
    """Opens the console in a browser of a person's own; at the end nothing may have gone wrong in any of them."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def listen(message: Any) -> None:
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    def opened(operator: str | None = "olena", path: str = "", *, clock: bool = False, **options: Any) -> Page:
        options = {
            "locale": "en-GB",
            "timezone_id": "Europe/Kyiv",
            "viewport": {"width": 1200, "height": 850},
        } | options
        one = browser.new_context(**options)
        one.set_default_timeout(TIMEOUT)
        contexts.append(one)
        page = one.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        if clock:
            page.clock.install()
        if operator is not None:
            token = json.dumps(TOKENS[operator])
            page.add_init_script(
                f"sessionStorage.getItem('out') || sessionStorage.setItem('leadbridge.token', {token})"
            )
        page.goto(f"{world.gateway.url}/console{path}")
        return page

    yield opened
    for one in contexts:
        one.close()
    assert wrong == []
