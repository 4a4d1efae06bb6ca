"""The browser tier: the console in a real browser, before the real handlers over AWS in memory."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cache
from itertools import chain
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from leadbridge.api.resources import Resources
from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.aws.capacity import read_units, size
from quality.testkit.browser.chromium import OPT_OUT, NoChromium, chromium
from quality.testkit.browser.gateway import BLANK, FUNCTIONS, Gateway, Server, serving
from quality.testkit.browser.world import KEY, TOKENS, Open, World
from quality.testkit.fakes.registers import Knows
from quality.testkit.fixtures import Context, queue

OPTIONS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update"]
OPTIONS += ["--disable-sync", "--disable-gpu"]
VIEWPORT: ViewportSize = {"width": 1200, "height": 850}
MEDIA = ("color_scheme", "reduced_motion")
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
        launched = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The address of the console, the same for all tests."""
    with serving() as running:
        yield running


@pytest.fixture
def world(
    server: Server,
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
    with server.showing(gateway):
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


@pytest.fixture(scope="session")
def usual_pages(browser: Browser) -> Iterator[Callable[[bool], Page]]:
    """The windows of most tests, with the machine's clock and with one that a test moves.

    A new window takes three times as long to show the console. See `cleared`.
    """
    with ExitStack() as open_contexts:

        @cache
        def usual_page(has_clock: bool) -> Page:
            context = new_context(browser)
            open_contexts.callback(context.close)
            return context.new_page()

        yield usual_page


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A browser context of an operator's own; without options the one of most tests."""
    usual: dict[str, Any] = {"locale": "en-GB", "timezone_id": "Europe/Kyiv", "viewport": VIEWPORT}
    context = browser.new_context(**usual | options)
    context.set_default_timeout(TIMEOUT)
    return context


def cleared(page: Page, address: str, token: str | None) -> Page:
    """A window that shows nothing and has stored nothing but the operator's token."""
    if page.url != f"{address}{BLANK}":
        page.goto(f"{address}{BLANK}")
    page.evaluate(
        "(token) => { localStorage.clear(); sessionStorage.clear();"
        " if (token) sessionStorage.setItem('leadbridge.token', token); }",
        token,
    )
    return page


@contextmanager
def watched(page: Page, wrong: list[str]) -> Iterator[Page]:
    """Collect the errors and warnings of a window while the block runs."""

    def note_message(message: Any) -> None:
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    def note_error(error: Any) -> None:
        wrong.append(str(error))

    page.on("console", note_message)
    page.on("pageerror", note_error)
    yield page
    page.remove_listener("console", note_message)
    page.remove_listener("pageerror", note_error)


@pytest.fixture
def open_console(browser: Browser, usual_pages: Callable[[bool], Page], world: World) -> Iterator[Open]:
    """Opens the console in a browser of a person's own; at the end nothing may have gone wrong in any of them."""
    wrong: list[str] = []
    in_use: list[Page] = []
    with ExitStack() as open_windows:

        def opened(
            operator: str | None = "olena", path: str = "", *, clock: bool | datetime = False, **options: Any
        ) -> Page:
            page = usual_pages(bool(clock))
            if page not in in_use and options.keys() <= {"viewport", *MEDIA}:
                in_use.append(page)
                page.set_viewport_size(options.get("viewport", VIEWPORT))
                page.emulate_media(**{name: options.get(name, "null") for name in MEDIA})
            else:
                context = new_context(browser, **options)
                open_windows.callback(context.close)
                page = context.new_page()
            open_windows.enter_context(watched(page, wrong))
            if clock:
                page.clock.install(time=clock if isinstance(clock, datetime) else None)
            cleared(page, world.gateway.url, TOKENS[operator] if operator else None)
            page.goto(f"{world.gateway.url}/console{path}")
            return page

        yield opened
        for page in in_use:
            page.unroute_all()
            page.context.set_offline(False)
    for page in in_use:
        page.goto(f"{world.gateway.url}{BLANK}")
    assert wrong == []
