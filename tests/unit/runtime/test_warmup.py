"""What is prepared while a function starts, and where."""

from collections.abc import Callable
from types import ModuleType

import pytest

from leadbridge import settings
from leadbridge.runtime import aws, environment, warmup
from leadbridge.runtime.logs import logger
from leadbridge.storage.leads import LeadRepository


def test_nothing_is_prepared_where_a_handler_is_only_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.LAMBDA_VARIABLE, raising=False)
    made: list[str] = []

    warmup.warm_up(lambda: made.append("one"))

    assert made == []


def test_what_cannot_be_made_is_warned_of_and_keeps_nothing_else_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(environment.LAMBDA_VARIABLE, "on-demand")
    made: list[str] = []
    warned: list[str] = []
    monkeypatch.setattr(logger, "warning", lambda text, **_: warned.append(text))

    def failing() -> None:
        raise KeyError("TABLE_NAME")

    warmup.warm_up(lambda: made.append("one"), failing, lambda: made.append("two"))

    assert made == ["one", "two"]
    assert warned == ["a warm-up step failed"]


@pytest.mark.parametrize("flow", ["receive_lead", "submit_lead", "check_status", "send_message", "sync_accounts"])
def test_a_start_asks_no_one_and_reads_no_secret(
    monkeypatch: pytest.MonkeyPatch,
    store: LeadRepository,
    shipped_settings: settings.Settings,
    function: Callable[[str], ModuleType],
    flow: str,
) -> None:
    monkeypatch.setenv(environment.LAMBDA_VARIABLE, "on-demand")
    asked: list[str] = []
    for client in (aws.dynamodb(), aws.secrets_manager(), aws.sqs()):
        client.meta.events.register("before-call", lambda model, **_: asked.append(model.name))

    function(flow)

    assert aws._client.cache_info().hits > 0
    assert asked == []
