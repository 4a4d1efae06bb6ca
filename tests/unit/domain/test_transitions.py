"""The transition tables are complete, and no code changes a state without them."""

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from types import ModuleType
from typing import Any

import pytest

from leadbridge.domain import (
    admission,
    delivery,
    fetch,
    message,
    message_operator_steps,
    operator_steps,
    repeats,
)
from leadbridge.domain.admission import Wait, WaitReason
from leadbridge.domain.delivery import Change, Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.feedback import postback
from leadbridge.domain.feedback.postback import Postback
from leadbridge.domain.feedback.states import PostbackState
from leadbridge.domain.fetch import Fetch, FetchState
from leadbridge.domain.message import MessageState
from leadbridge.domain.repeats import Repeat
from leadbridge.domain.routing import intake
from leadbridge.domain.statuses import status_change
from leadbridge.domain.transitions import (
    BY_OPERATOR,
    DELIVERY,
    FETCH,
    MESSAGE,
    POSTBACK,
    ImpossibleTransition,
    Table,
    advance,
)
from leadbridge.services.dead_letters.record_answer import DeadLetterKept, DeadLetterObsolete, record_delivery_answer
from quality.testkit.fakes.errors import some_error
from quality.testkit.template import ROOT

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEWER = replace(message.status_notification("ld_x", "leadleader", 3, "s", NOW), state=MessageState.SENT)

CODE = [path for folder in ("layers/leadbridge", "functions", "infra") for path in (ROOT / folder).rglob("*.py")]

type Edge = tuple[str, str]
type Step = Callable[[Any], Any]
MACHINES: list[tuple[Table, type[StrEnum]]] = [
    (DELIVERY, State),
    (MESSAGE, MessageState),
    (FETCH, FetchState),
    (POSTBACK, PostbackState),
]
NAMES = ["delivery", "message", "fetch", "postback"]


def _repeat(then: Repeat, one: Delivery) -> Change:
    return repeats.apply_repeat(one, NOW, "ld_first", then)


def _late(outcome: str, one: Delivery) -> Change:
    return record_delivery_answer(one, {"outcome": outcome}, 0, NOW, is_followed=False)


# Each step function with the events that it may be.
OF_DELIVERIES: dict[str, Sequence[Step]] = {
    "start_attempt": [lambda one: delivery.start_attempt(one, NOW, HOUR)],
    "schedule_retry": [lambda one: delivery.schedule_retry(one, NOW, some_error("away"), HOUR)],
    "confirm": [lambda one: delivery.confirm(one, NOW, 24, is_followed=True)],
    "mark_uncertain": [lambda one: delivery.mark_uncertain(one, NOW, some_error("lost"), HOUR)],
    "mark_duplicate": [lambda one: delivery.mark_duplicate(one, NOW, some_error("theirs"))],
    "reject": [lambda one: delivery.reject(one, NOW, some_error("no"))],
    "fail": [lambda one: delivery.fail(one, NOW, some_error("spent"))],
    "mark_unknown": [lambda one: delivery.mark_unknown(one, NOW, some_error("lost"))],
}
OF_ADMISSION: dict[str, Sequence[Step]] = {
    "wait_for_partner": [
        lambda one: admission.wait_for_partner(one, NOW, Wait(WaitReason.PAUSED)),
        lambda one: admission.wait_for_partner(one, NOW, Wait(WaitReason.CIRCUIT_OPEN, NOW + HOUR, is_estimate=True)),
    ],
}
REFUSAL = intake.Refusal(WaitReason.CLOSED, None, "next")
OF_INTAKE: dict[str, Sequence[Step]] = {
    "end_refused": [
        lambda one: intake.end_refused(one, NOW, REFUSAL, lambda _: "second"),
        lambda one: intake.end_refused(one, NOW, REFUSAL, lambda _: None),
    ],
}
OF_REPEATS: dict[str, Sequence[Step]] = {
    "wait_for_earlier_lead": [lambda one: repeats.wait_for_earlier_lead(one, NOW, "ld_first", HOUR, due_after=HOUR)],
    "apply_repeat": [partial(_repeat, then) for then in Repeat],
}
OF_STATUSES: dict[str, Sequence[Step]] = {
    "change_status": [
        lambda one: status_change.change_status(one, NOW, "s", outcome=None, final=False, is_followed=True),
        lambda one: status_change.change_status(one, NOW, "s", outcome=None, final=True, is_followed=False),
    ],
    "record_account": [lambda one: status_change.record_account(one, NOW, "a")],
}
OF_OPERATORS: dict[str, Sequence[Step]] = {
    "retry_by_operator": [lambda one: operator_steps.retry_by_operator(one, NOW, "olena", is_confirmed=True)],
    "move_failed": [lambda one: operator_steps.move_failed(one, NOW, {"next_partner": "other"})],
    "resolve_found": [lambda one: operator_steps.resolve_found(one, NOW, "olena", 25, is_followed=True)],
    "resolve_not_found": [lambda one: operator_steps.resolve_not_found(one, NOW, "olena")],
    "withdraw_resolution": [lambda one: operator_steps.withdraw_resolution(one, NOW, "olena", can_be_looked_up=False)],
    "contest_resolution": [lambda one: operator_steps.contest_resolution(one, NOW, "ld_other")],
    "erase_delivery": [lambda one: operator_steps.erase_delivery(one, NOW)],
}
OF_LATE_ANSWERS: dict[str, Sequence[Step]] = {
    f"record_{outcome}": [partial(_late, outcome)] for outcome in ("rejected", "duplicate", "not_processed")
}
OF_MESSAGES: dict[str, Sequence[Step]] = {
    "start_sending": [lambda one: message.start_sending(one, NOW, HOUR)],
    "schedule_retry": [lambda one: message.schedule_retry(one, NOW, some_error("away"), HOUR)],
    "wait_until": [lambda one: message.wait_until(one, NOW, NOW + HOUR)],
    "postpone": [lambda one: message.postpone(one, NOW, NOW + HOUR)],
    "mark_sent": [lambda one: message.mark_sent(one, NOW)],
    "mark_unknown": [lambda one: message.mark_unknown(one, NOW, some_error("lost"))],
    "fail": [lambda one: message.fail(one, NOW, some_error("spent"))],
    "no_channel": [lambda one: message.no_channel(one, NOW)],
    "skip": [lambda one: message.skip(one, NOW, "off", ErrorCode.NOT_CONFIGURED)],
}
OF_MESSAGE_OPERATORS: dict[str, Sequence[Step]] = {
    "mark_restored": [lambda one: message_operator_steps.mark_restored(one, NOW)],
    "retry_message_by_operator": [
        lambda one: message_operator_steps.retry_message_by_operator(one, NOW, "olena"),
        lambda one: message_operator_steps.retry_message_by_operator(one, NOW, "olena", others=[NEWER]),
    ],
}
OF_FETCHES: dict[str, Sequence[Step]] = {
    "schedule_retry": [lambda one: fetch.schedule_retry(one, NOW, some_error("away"), HOUR)],
    "complete": [lambda one: fetch.complete(one, NOW)],
    "complete_test": [lambda one: fetch.complete_test(one, NOW)],
    "fail": [lambda one: fetch.fail(one, NOW, some_error("spent"))],
    "refetch": [lambda one: fetch.refetch(one, NOW, "olena")],
}
OF_POSTBACKS: dict[str, Sequence[Step]] = {
    "start_sending": [lambda one: postback.start_sending(one, NOW, HOUR)],
    "schedule_retry": [lambda one: postback.schedule_retry(one, NOW, some_error("away"), HOUR)],
    "accept": [lambda one: postback.accept(one, NOW)],
    "fail": [lambda one: postback.fail(one, NOW, some_error("spent"))],
    "skip": [lambda one: postback.skip(one, NOW, "off", ErrorCode.NOT_CONFIGURED)],
    "skip_superseded": [lambda one: postback.skip_superseded(one, NOW, "olena")],
    "resend_by_operator": [lambda one: postback.resend_by_operator(one, NOW, "olena", [], is_confirmed=True)],
}
SHARED = {"end", "step", "settle", "record_status", "release_caps"}  # what the steps are made of


@pytest.mark.parametrize(
    ("module", "change", "tried"),
    [
        (delivery, "Change", OF_DELIVERIES),
        (admission, "Change", OF_ADMISSION),
        (repeats, "Change", OF_REPEATS),
        (status_change, "Change", OF_STATUSES),
        (operator_steps, "Change", OF_OPERATORS),
        (message, "MessageChange", OF_MESSAGES),
        (message_operator_steps, "MessageChange", OF_MESSAGE_OPERATORS),
        (fetch, "FetchChange", OF_FETCHES),
        (postback, "PostbackChange", OF_POSTBACKS),
    ],
)
def test_every_step_is_tried(module: ModuleType, change: str, tried: Mapping[str, Any]) -> None:
    steps = {
        name
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == module.__name__
        if function.__annotations__["return"] == change
    }
    assert steps - SHARED == set(tried)


def _deliveries() -> Iterator[Delivery]:
    for state in State:
        one = Delivery("ld_x", "leadleader", "web", NOW, state=state)
        yield from (one, replace(one, is_uncertain=True))
        if state in {State.SUBMITTED, State.CLOSED}:
            yield replace(one, settled_at=NOW, deal_id=24)
        if state is State.FAILED:
            yield replace(one, settled_at=NOW)


def _edges(tried: Sequence[Mapping[str, Sequence[Step]]], items: Sequence[Any]) -> set[Edge]:
    """Every way that a step takes one of the items from one state to another."""
    impossible = (ImpossibleTransition, operator_steps.WrongState, operator_steps.SubmissionInProgress)
    found: set[Edge] = set()
    for step in (variant for steps in tried for variants in steps.values() for variant in variants):
        for one in items:
            with suppress(*impossible, DeadLetterKept, DeadLetterObsolete):
                change = step(one)
                found.add((change.before.state.value, change.after.state.value))
                assert change.after.version == one.version + 1
    return found


def _edges_of(table: Table) -> set[Edge]:
    return {edge for event in table.values() for edge in event.items()}


def test_steps_of_a_delivery_take_every_edge_of_the_table_and_no_other() -> None:
    tried = [OF_DELIVERIES, OF_ADMISSION, OF_INTAKE, OF_REPEATS, OF_STATUSES, OF_OPERATORS, OF_LATE_ANSWERS]
    assert _edges(tried, [*_deliveries()]) == _edges_of(DELIVERY)


def test_steps_of_a_message_take_every_edge_of_the_table_and_no_other() -> None:
    first = message.status_notification("ld_x", "leadleader", 2, "s", NOW)
    items = [replace(first, state=state) for state in MessageState]
    assert _edges([OF_MESSAGES, OF_MESSAGE_OPERATORS], items) == _edges_of(MESSAGE)


def test_steps_of_a_fetch_take_every_edge_of_the_table_and_no_other() -> None:
    items = [Fetch("ld_x", "meta", NOW, state=state) for state in FetchState]
    assert _edges([OF_FETCHES], items) == _edges_of(FETCH)


def test_steps_of_a_postback_take_every_edge_of_the_table_and_no_other() -> None:
    first = Postback("ld_x", "evt_x", "tracker", "leadleader", "web", 3, "issued", "sale", NOW)
    items = [replace(first, state=state) for state in PostbackState]
    assert _edges([OF_POSTBACKS], items) == _edges_of(POSTBACK)


@pytest.mark.parametrize(("table", "states"), MACHINES, ids=NAMES)
def test_a_table_names_every_state_and_nothing_else(table: Table, states: type[StrEnum]) -> None:
    assert {state for edge in _edges_of(table) for state in edge} == {state.value for state in states}


def test_operators_events_are_events() -> None:
    assert {event for table, _ in MACHINES for event in table} >= BY_OPERATOR


@pytest.mark.parametrize("table", [table for table, _ in MACHINES], ids=NAMES)
def test_every_event_is_used(table: Table) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in CODE if path.name != "transitions.py")
    assert [event for event in table if f'"{event}"' not in sources] == []


def test_an_event_that_the_table_does_not_have_from_a_state_is_impossible() -> None:
    sent = replace(message.status_notification("ld_x", "leadleader", 2, "s", NOW), state=MessageState.SENT)
    with pytest.raises(ImpossibleTransition, match="start_sending from sent"):
        advance(sent, "start_sending")


def test_no_code_changes_a_state_without_the_table() -> None:
    """`replace(..., state=...)` is for `advance` alone."""
    own = ROOT / "layers/leadbridge/leadbridge/domain/transitions.py"
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in CODE
        if path != own and "replace" in (source := path.read_text(encoding="utf-8")) and "state" in source
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"replace", "__replace__"}
        if any(keyword.arg == "state" for keyword in node.keywords)
    ]
    assert found == []
