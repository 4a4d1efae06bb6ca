"""GET /partners, and pausing a partner."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

from pydantic import ConfigDict, Field

from leadbridge.api.problems import Problem
from leadbridge.api.requests import ApiRequest, Body
from leadbridge.api.router import route
from leadbridge.api.schemas import Count, StoredErrorCode, Time
from leadbridge.domain.admission import Circuit, PartnerState, Pause
from leadbridge.domain.clock import from_text, to_text, utc_now
from leadbridge.domain.routing.intake import Refusal, Window, find_refusal, window_keys, windows_at
from leadbridge.domain.statistics.contribution import is_counted_source
from leadbridge.partners.registry import kind_named
from leadbridge.runtime.logs import logger
from leadbridge.settings import Partner, settings
from leadbridge.storage.queries.partner_state import PartnerStates

if TYPE_CHECKING:
    from datetime import datetime


MAX_REASON = 500  # characters


class PartnerView(TypedDict):
    """A configured partner. `label` is displayed; `id_field` is the delivery's field with the partner's id.

    `sources` are those whose rules name the partner, but not that of a deployment's check. `state`: whether it gets
    leads; the first reason of `paused`, `circuit_open`, `closed` and `capped` if not. `opens_at` is when its hours and
    caps allow the next lead; None if they do now, or if no time changes that. `checks` is None for a partner whose
    statuses come by the sync.
    """

    name: str
    kind: str
    label: str
    queue: str
    id_field: Literal["deal_id", "account_uuid"]
    id_type: Literal["integer", "string"]
    id_pattern: str
    sources: list[str]
    state: Literal["open", "paused", "circuit_open", "closed", "capped"]
    pause: PauseView | None
    circuit: CircuitView
    caps: list[CapView]
    opens_at: Time | None
    checks: ChecksView | None


class ChecksView(TypedDict):
    """The status checks of a partner's deals: by how many seconds the latest is late, and how many run at a time."""

    oldest_due_seconds: Count
    at_once: Count


class PauseView(TypedDict):
    """Why and since when a partner gets no leads, and the operator who paused it."""

    reason: str
    operator: str
    at: Time


class CircuitView(TypedDict):
    """The circuit of a partner: consecutive failures, and the code of the last one.

    `since` is when it opened, None if it is closed. After `opened_until` the next lead is its probe.
    """

    failures: Count
    code: StoredErrorCode | None
    since: Time | None
    opened_until: Time | None


class CapView(TypedDict):
    """A cap of a partner: how many leads count in the current window, and when the next one begins.

    `ends_at` is None for the window `total`.
    """

    window: Literal["per_hour", "per_day", "total"]
    count: Count
    limit: Count
    ends_at: Time | None


class PauseRequest(Body):
    """The body of a pause."""

    model_config = ConfigDict(str_strip_whitespace=True)

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class PartnersView(TypedDict):
    """The partners, in the order of the configuration, and the name of the operator who asks."""

    partners: list[PartnerView]
    operator: str


@route("GET", "/partners")
def list_partners(request: ApiRequest) -> PartnersView:
    """List the configured partners."""
    configured, now = settings().partners, utc_now()
    stored = PartnerStates(request.resources.table).load(configured, window_keys(configured, now))
    views = [view(request, name, stored.get(name, PartnerState()), now) for name in configured]
    return {"partners": views, "operator": request.operator}


@route("POST", "/partners/{partner}/pause", problems=(404,))
def pause_partner(request: ApiRequest, body: PauseRequest) -> PartnerView:
    """Stop sending leads to a partner. Its leads wait until it is resumed; status checks continue."""
    name = find_partner(request)
    now = utc_now()
    state = PartnerStates(request.resources.table).pause(name, Pause(body.reason, request.operator, now))
    logger.info("partner paused", partner=name, operator=request.operator)
    return view(request, name, with_counts(request, name, state, now), now)


@route("POST", "/partners/{partner}/resume", problems=(404,))
def resume_partner(request: ApiRequest) -> PartnerView:
    """Send leads to a partner again. Within a minute the leads that wait are queued."""
    name = find_partner(request)
    now = utc_now()
    state = PartnerStates(request.resources.table).resume(name, now)
    logger.info("partner resumed", partner=name, operator=request.operator)
    return view(request, name, with_counts(request, name, state, now), now)


def find_partner(request: ApiRequest) -> str:
    """Return the partner of the path. Raises Problem if it is not configured."""
    name = request.path["partner"]
    if name not in settings().partners:
        detail = "The partner is not configured. GET /partners lists the partners."
        raise Problem(404, "unknown-partner", "Unknown partner", detail)
    return name


def with_counts(request: ApiRequest, name: str, state: PartnerState, now: datetime) -> PartnerState:
    """Return the state of a partner with the counts of its caps."""
    windows = window_keys({name: settings().partners[name]}, now)
    if not windows.get(name):
        return state
    return replace(state, counts=PartnerStates(request.resources.table).load((), windows)[name].counts)


def view(request: ApiRequest, name: str, state: PartnerState, now: datetime) -> PartnerView:
    """Return a configured partner with its state and its status checks."""
    partner = settings().partners[name]
    return partner_view(name, partner, checks_view(request, name, partner, now), state, now)


def checks_view(request: ApiRequest, name: str, partner: Partner, now: datetime) -> ChecksView | None:
    """Return how the status checks of a partner keep up; None if its statuses come by the sync."""
    from leadbridge.services.checks.plan import INDEX_MARGIN, oldest_due_seconds
    from leadbridge.storage.queries.check_progress import CheckProgressRepository

    if partner.check_schedule is None:
        return None
    progress = CheckProgressRepository(request.resources.table, name).load()
    late = oldest_due_seconds(partner.check_schedule, progress.watermarks, now, INDEX_MARGIN)
    for due in request.resources.leads.due(name, now, 1):
        late = max(late, (now - from_text(due.due_at)).total_seconds())
    return {"oldest_due_seconds": int(late), "at_once": partner.checks_at_once}


def partner_view(
    name: str, partner: Partner, checks: ChecksView | None, state: PartnerState, now: datetime
) -> PartnerView:
    """Return a partner with the properties of its kind."""
    kind, refusal = kind_named(partner.kind), find_refusal(partner, state.counts, now)
    return {
        "name": name,
        "kind": kind.name,
        "label": partner.label or (kind.label if name == kind.name else name),
        "queue": kind.queue,
        "id_field": kind.id.field,
        "id_type": kind.id.type,
        "id_pattern": kind.id.pattern,
        "sources": [
            source
            for source, one in settings().sources.items()
            if is_counted_source(source) and any(name in rule.partners for rule in one.partners)
        ],
        "state": state_name(state, refusal),
        "pause": None if state.pause is None else pause_view(state.pause),
        "circuit": circuit_view(state.circuit),
        "caps": [cap_view(window, state) for window in windows_at(partner, now)],
        "opens_at": None if refusal is None or refusal.until is None else to_text(refusal.until),
        "checks": checks,
    }


def pause_view(pause: Pause) -> PauseView:
    """Return a pause."""
    return {"reason": pause.reason, "operator": pause.operator, "at": to_text(pause.at)}


def circuit_view(circuit: Circuit) -> CircuitView:
    """Return a circuit."""
    return {
        "failures": circuit.failures,
        "code": circuit.code,
        "since": None if circuit.since is None else to_text(circuit.since),
        "opened_until": None if circuit.opened_until is None else to_text(circuit.opened_until),
    }


def cap_view(window: Window, state: PartnerState) -> CapView:
    """Return a cap with its count."""
    ends_at = None if window.ends_at is None else to_text(window.ends_at)
    count = state.counts.get(window.key, 0)
    return {"window": window.cap, "count": count, "limit": window.limit, "ends_at": ends_at}


def state_name(
    state: PartnerState, refusal: Refusal | None
) -> Literal["open", "paused", "circuit_open", "closed", "capped"]:
    """Return whether a partner gets leads, and if not, the main reason."""
    if state.pause is not None:
        return "paused"
    if not state.circuit.is_closed:
        return "circuit_open"
    if refusal is None:
        return "open"
    return "capped" if refusal.is_capped else "closed"
