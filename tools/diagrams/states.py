"""The states of a delivery, a message and a fetch, as their steps allow them: each step is tried from each state."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from leadbridge.domain import delivery as deliveries
from leadbridge.domain import fetch as fetches
from leadbridge.domain import message as messages
from leadbridge.domain import operator_steps
from leadbridge.domain.delivery import Change, Delivery, Repeat, State
from leadbridge.domain.error_codes import ErrorCode, ErrorInfo
from leadbridge.domain.fetch import Fetch, FetchChange, FetchState
from leadbridge.domain.message import Message, MessageChange, MessageCode, MessageState
from leadbridge.domain.transitions import ImpossibleTransition

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ERROR = ErrorInfo(ErrorCode.UNAVAILABLE, "away")
HOUR = timedelta(hours=1)
BY_OPERATOR = "operator: "
NEWER = replace(messages.about_status("ld_x", "leadleader", 3, "s", NOW), state=MessageState.SENT)

type Edge = tuple[str, str, str]
"""From which state, to which, by which step."""

OF_DELIVERIES: dict[str, Sequence[Callable[[Delivery], Change]]] = {
    "start_attempt": [lambda one: deliveries.start_attempt(one, NOW, HOUR)],
    "schedule_retry": [lambda one: deliveries.schedule_retry(one, NOW, ERROR, HOUR)],
    "wait_for": [lambda one: deliveries.wait_for(one, NOW, "ld_first", HOUR, due_after=HOUR)],
    "confirm": [lambda one: deliveries.confirm(one, NOW, 24, HOUR)],
    "mark_uncertain": [lambda one: deliveries.mark_uncertain(one, NOW, ERROR, HOUR)],
    "mark_duplicate": [lambda one: deliveries.mark_duplicate(one, NOW, ERROR)],
    "reject": [lambda one: deliveries.reject(one, NOW, ERROR)],
    "repeats": [lambda one, then=then: deliveries.repeats(one, NOW, "ld_first", then) for then in Repeat],  # type: ignore[misc]
    "fail": [lambda one: deliveries.fail(one, NOW, ERROR)],
    "mark_unknown": [lambda one: deliveries.mark_unknown(one, NOW, ERROR)],
    "status_changed": [
        lambda one: deliveries.status_changed(one, NOW, "s", meaning=None, final=False, check_after=HOUR),
        lambda one: deliveries.status_changed(one, NOW, "s", meaning=None, final=True, check_after=None),
    ],
    "account_found": [lambda one: deliveries.account_found(one, NOW, "a")],
}
OF_OPERATORS: dict[str, Sequence[Callable[[Delivery], Change]]] = {
    "retry_by_operator": [lambda one: operator_steps.retry_by_operator(one, NOW, "olena", is_confirmed=True)],
    "found": [lambda one: operator_steps.found(one, NOW, "olena", 24, HOUR)],
    "not_found": [lambda one: operator_steps.not_found(one, NOW, "olena")],
    "withdrawn": [lambda one: operator_steps.withdrawn(one, NOW, "olena", can_be_looked_up=False)],
    "contested": [lambda one: operator_steps.contested(one, NOW, "ld_other")],
    "erased": [lambda one: operator_steps.erased(one, NOW)],
}
OF_MESSAGES: dict[str, Sequence[Callable[[Message], MessageChange]]] = {
    "start_sending": [lambda one: messages.start_sending(one, NOW, HOUR)],
    "schedule_retry": [lambda one: messages.schedule_retry(one, NOW, ERROR, HOUR)],
    "wait_until": [lambda one: messages.wait_until(one, NOW, NOW + HOUR)],
    "postpone": [lambda one: messages.postpone(one, NOW, NOW + HOUR)],
    "mark_sent": [lambda one: messages.mark_sent(one, NOW)],
    "mark_unknown": [lambda one: messages.mark_unknown(one, NOW, ERROR)],
    "fail": [lambda one: messages.fail(one, NOW, ERROR)],
    "no_channel": [lambda one: messages.no_channel(one, NOW)],
    "skip": [lambda one: messages.skip(one, NOW, "off", MessageCode.NOT_CONFIGURED)],
    "restored": [lambda one: messages.restored(one, NOW)],
    "retried": [
        lambda one: messages.retried(one, NOW, "olena"),
        lambda one: messages.retried(one, NOW, "olena", others=[NEWER]),
    ],
}
OF_FETCHES: dict[str, Sequence[Callable[[Fetch], FetchChange]]] = {
    "schedule_retry": [lambda one: fetches.schedule_retry(one, NOW, ERROR, HOUR)],
    "fetched": [lambda one: fetches.fetched(one, NOW)],
    "was_test": [lambda one: fetches.was_test(one, NOW)],
    "fail": [lambda one: fetches.fail(one, NOW, ERROR)],
    "refetch": [lambda one: fetches.refetch(one, NOW, "olena")],
}


def of_a_delivery() -> str:
    """The states of a delivery."""
    every = [Delivery("ld_x", "leadleader", "web", NOW, state=state) for state in State]
    own = [*_edges(OF_DELIVERIES, every)]
    in_doubt = _edges(OF_DELIVERIES, [replace(one, is_uncertain=True) for one in every])
    own += [(edge[0], edge[1], f"{edge[2]} (in doubt)") for edge in in_doubt if edge not in own]
    settled = [replace(one, settled_at=NOW) for one in every]
    steps = dict.fromkeys([*_edges(OF_OPERATORS, every), *_edges(OF_OPERATORS, settled)])
    by_operators = [(before, after, BY_OPERATOR + step) for before, after, step in steps]
    return _diagram(State.RECEIVED, [*own, *by_operators])


def of_a_message() -> str:
    """The states of a message."""
    first = messages.about_status("ld_x", "leadleader", 2, "s", NOW)
    every = [replace(first, state=state) for state in MessageState]
    return _diagram(MessageState.PENDING, _edges(OF_MESSAGES, every))


def of_a_fetch() -> str:
    """The states of a fetch."""
    every = [Fetch("ld_x", "meta", NOW, state=state) for state in FetchState]
    return _diagram(FetchState.PENDING, _edges(OF_FETCHES, every))


def _edges(steps: dict[str, Sequence[Callable[[Any], Any]]], every: Sequence[Any]) -> Iterator[Edge]:
    """Every way that a step takes something from one state to another."""
    for name, variants in steps.items():
        for step in variants:
            for one in every:
                with suppress(ImpossibleTransition, operator_steps.WrongState, operator_steps.Busy):
                    yield one.state.value, step(one).after.state.value, name


def _diagram(first: StrEnum, edges: Iterable[Edge]) -> str:
    """Edges between two states become one; steps that leave a state as it is are not drawn."""
    steps: dict[tuple[str, str], dict[str, None]] = {}
    for before, after, step in edges:
        if before != after:
            steps.setdefault((before, after), {})[step] = None
    drawn = [f"  {before} --> {after}: {'<br/>'.join(names)}" for (before, after), names in steps.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", f"  [*] --> {first.value}", *drawn, "```"])
