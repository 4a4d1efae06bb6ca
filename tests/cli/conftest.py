"""The command tier: the operators' command against the real handlers, with AWS in memory, and the partners' sandbox."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.api.resources import Resources
from leadbridge.runtime.logs import metrics
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from quality.testkit.cli.gateway import Gateway
from quality.testkit.cli.terminal import LEAD, TOKEN, Terminal, secret
from quality.testkit.fakes.registers import Knows
from quality.testkit.fixtures import queue

QUEUES = ("submit-leadleader", "submit-matchtrade", "messages", "checks", "events")
QUEUES_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012"


@pytest.fixture(autouse=True)
def far_from_any_stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No stack of the developer's is found, nor anything in the environment that names one."""
    for name in ("LEADBRIDGE_API_URL", "LEADBRIDGE_TOKEN", "LEADBRIDGE_STACK", "AWS_PROFILE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def queues(aws_mocked: None) -> None:
    """The queues, for the tests that send or read messages."""
    for name in QUEUES:
        assert {queue(name), queue(f"dead-{name}")} == {f"{QUEUES_URL}/{name}", f"{QUEUES_URL}/dead-{name}"}


@pytest.fixture
def terminal(
    store: LeadRepository,
    shipped_settings: Settings,
    function: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Terminal]:
    """An operator before an API with one lead."""
    # Metrics are lines on stdout, which is the command's here.
    monkeypatch.setattr("leadbridge.runtime.logs.metrics.provider.flush_metrics", lambda **_: metrics.clear_metrics())
    secret("index", {"key": "k"})
    secret("operators", {"olena": TOKEN})
    monkeypatch.setenv("DEAD_LETTER_QUEUES", json.dumps({name: f"{QUEUES_URL}/dead-{name}" for name in QUEUES}))
    monkeypatch.setenv("QUEUES", json.dumps({name: f"{QUEUES_URL}/{name}" for name in QUEUES}))
    monkeypatch.setenv("CHECK_QUEUE_URL", f"{QUEUES_URL}/checks")
    monkeypatch.setattr("leadbridge.services.dead_letters.queues.VISIBILITY_SECONDS", 0)
    assert store.accept(LEAD, phone_hash="phone", email_hash="email", tax_hash="tax") is None
    manage = function("manage_leads")
    monkeypatch.setattr(Resources, "register", lambda *_: Knows())
    with Gateway(function("authorize"), manage, function("receive_lead")) as gateway:
        yield Terminal(gateway, store)


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The partners, for all tests of the tier."""
    with Sandbox(tmp_path_factory.mktemp("sandbox"), pace=3600) as running:
        yield running


@pytest.fixture
def partners(sandbox: Sandbox, aws_mocked: None) -> Remote:
    """The partners with nothing wrong, and a stack that has their secrets."""
    remote = Remote(sandbox.url)
    remote.reset()
    for name, value in sandbox.secrets().items():
        secret(name, value)
    secret("alerts", {"telegram": sandbox.secrets()["telegram"]})
    return remote
