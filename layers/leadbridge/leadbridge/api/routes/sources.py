"""GET /sources and POST /sources/{source}/route."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import AwareDatetime, Field

from leadbridge.api.params import Day, QueryParams, invalid_query, unknown_source
from leadbridge.api.problems import FieldErrorView, field_error_view
from leadbridge.api.requests import ApiRequest, Body
from leadbridge.api.router import route
from leadbridge.api.schemas import DayText, Time
from leadbridge.api.source_activity import SourceView, source_views
from leadbridge.domain.clock import date_in, to_text, utc_now
from leadbridge.settings import settings

if TYPE_CHECKING:
    from leadbridge.domain.routing.dry_run import Obstacle

DEFAULT_DAYS, MAX_DAYS = 7, 31
MAX_FIELDS = 100  # of a section, and of the form
Fields = Annotated[dict[str, Any], Field(max_length=MAX_FIELDS)]
Answers = Annotated[dict[str, Annotated[str, Field(max_length=10_000)]], Field(max_length=MAX_FIELDS)]


class RoutingRequest(Body):
    """A lead as its source would send it: the lead's sections, or the form's fields under their own names in `form`.

    A section's field takes precedence over the form's. `received_at` is the time for conditions on time; default: now.
    """

    person: Fields = Field(default_factory=dict)
    loan: Fields = Field(default_factory=dict)
    trading: Fields = Field(default_factory=dict)
    utm: Fields = Field(default_factory=dict)
    ids: Fields = Field(default_factory=dict)
    consent: Fields = Field(default_factory=dict)
    form: Answers = Field(default_factory=dict)
    received_at: AwareDatetime | None = None


class RuleResultView(TypedDict):
    """What a rule does with the lead.

    `partners` is its order, the first choice first; empty if other rules have its partners. `unmet` are the conditions
    that do not hold. `weights` and `next_on` are those of the rule, if it has them.
    """

    rule: int
    result: Literal["applies", "not_matched", "no_partner_left"]
    partners: list[str]
    unmet: list[str]
    weights: NotRequired[dict[str, int]]
    next_on: NotRequired[list[str]]


class RefusalView(TypedDict):
    """A partner that would not accept the lead, and the fields because of which."""

    partner: str
    errors: list[FieldErrorView]


class UnavailableView(TypedDict):
    """A partner that would not take the lead at the moment, the reason, and what would happen to the lead.

    It goes to `next_partner`, waits, or is held for an operator. `until` is None if the end is not known.
    """

    partner: str
    code: Literal["paused", "circuit_open", "closed", "capped"]
    until: Time | None
    then: Literal["next", "wait", "hold"]
    next_partner: NotRequired[str]


class RoutingView(TypedDict):
    """Which partners would get the lead, and why. Without partners, `problems` are the reasons, if there are any.

    `refusals` are the partners of the source that would not accept it. `unavailable` are those of `partners`, and of
    the partners after them, that get no leads at `received_at`. No values of the lead are returned.
    """

    source: str
    received_at: Time
    partners: list[str]
    reason: str | None
    rules: list[RuleResultView]
    refusals: list[RefusalView]
    unavailable: list[UnavailableView]
    problems: list[FieldErrorView]


class SourcesQuery(QueryParams):
    """The days to show."""

    first: Day | None = Field(None, alias="from", description="The first day. By default `days` decides.")
    last: Day | None = Field(None, alias="to", description="The last day; today by default.")
    days: int = Field(DEFAULT_DAYS, ge=1, le=MAX_DAYS, description="The number of days, if `from` is not given.")


# `from` is a Python keyword, so the class syntax is impossible.
SourcesView = TypedDict("SourcesView", {"from": DayText, "to": DayText, "time_zone": str, "sources": list[SourceView]})


@route("GET", "/sources")
def list_sources(request: ApiRequest, query: SourcesQuery) -> SourcesView:
    """Show what each configured source has posted, and which fields of its form arrive.

    Leads are up to a minute late. No value of a post is shown, only names of fields.
    """
    time_zone = settings().alerts.time_zone
    last = query.last or date_in(time_zone, utc_now())
    first = query.first or last - timedelta(days=query.days - 1)
    if not timedelta() <= last - first < timedelta(days=MAX_DAYS):
        raise invalid_query(f"from must not be after to, and the range must be at most {MAX_DAYS} days.")
    sources = source_views(request.resources.table, settings().sources, first, last)
    return {"from": first.isoformat(), "to": last.isoformat(), "time_zone": time_zone, "sources": sources}


@route("POST", "/sources/{source}/route")
def route_lead(request: ApiRequest, body: RoutingRequest) -> RoutingView:
    """Show which partners would get a lead, rule by rule; nothing is stored or sent."""
    from leadbridge.domain.fields.hashes import keyed_hash
    from leadbridge.domain.routing.dry_run import explain_routing
    from leadbridge.domain.routing.intake import window_keys
    from leadbridge.forms.mapping import SECTIONS, to_sections, with_defaults
    from leadbridge.forms.tracking import add_from_page
    from leadbridge.storage.queries.partner_state import PartnerStates

    name = request.path["source"]
    source = settings().sources.get(name)
    if source is None:
        raise unknown_source()
    key = request.resources.secrets.get("index")["key"]
    values = to_sections(body.form, source, {})
    for section in SECTIONS:
        values[section] = {**values[section], **getattr(body, section)}
    add_from_page(values)
    at, partners = body.received_at or utc_now(), settings().partners
    named = {one: partners[one] for rule in source.partners for one in rule.partners}
    report = explain_routing(
        source,
        with_defaults(values, source),
        body.form,
        at,
        partners,
        lambda value: keyed_hash(key, value),
        PartnerStates(request.resources.table).load(named, window_keys(named, at)),
    )
    decision = report.assignment.decision
    return {
        "source": name,
        "received_at": to_text(at),
        "partners": list(decision.partners),
        "reason": decision.reason,
        "rules": [_rule_view(rule) for rule in decision.data.get("rules", ())],
        "refusals": [
            {"partner": partner, "errors": [field_error_view(error) for error in errors]}
            for partner, errors in report.refusals.items()
        ],
        "unavailable": [_unavailable_view(one) for one in report.obstacles],
        "problems": [field_error_view(error) for error in report.assignment.problems],
    }


def _unavailable_view(found: Obstacle) -> UnavailableView:
    view: UnavailableView = {
        "partner": found.partner,
        "code": found.code.value,
        "until": None if found.until is None else to_text(found.until),
        "then": found.then,
    }
    if found.following is not None:
        view["next_partner"] = found.following
    return view


def _rule_view(rule: dict[str, Any]) -> RuleResultView:
    partners, unmet = rule.get("partners", []), rule.get("unmet", [])
    view: RuleResultView = {
        "rule": rule["rule"],
        "result": "applies" if partners else "not_matched" if unmet else "no_partner_left",
        "partners": list(partners),
        "unmet": list(unmet),
    }
    if "weights" in rule:
        view["weights"] = rule["weights"]
    if "next_on" in rule:
        view["next_on"] = rule["next_on"]
    return view
