"""POST /partners/{partner}/pause and …/resume, and the command."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from leadbridge.api.problems import Problem
from leadbridge.api.routes import partners
from leadbridge.api.schemas import delivery_view
from leadbridge.domain.admission import Wait, WaitReason, wait_for_partner
from leadbridge.domain.clock import from_text, to_text, utc_now
from leadbridge.domain.delivery import new_delivery
from leadbridge.runtime import aws
from leadbridge.settings import Settings, Source
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.partner_state import PartnerStates
from leadbridge.storage.table import Table
from leadbridge.storage.writes import put
from quality.testkit.fixtures import TABLE
from quality.testkit.intake import settings_with_intake
from quality.testkit.people import NOW

HOURS_10 = timedelta(hours=10)  # until midnight in Kyiv


@pytest.fixture
def request_(store: LeadRepository, shipped_settings: Settings) -> Any:
    resources = SimpleNamespace(table=Table(aws.dynamodb(), TABLE), leads=store)
    return SimpleNamespace(resources=resources, path={"partner": "matchtrade"}, operator="ann")


def states(request: Any) -> dict[str, str]:
    return {one["name"]: one["state"] for one in partners.list_partners(request)["partners"]}


def test_a_partner_is_paused_and_resumed(request_: Any) -> None:
    view = partners.pause_partner(request_, partners.PauseRequest(reason=" no budget "))
    [listed] = [one for one in partners.list_partners(request_)["partners"] if one["name"] == "matchtrade"]
    assert listed["pause"] == view["pause"]
    assert view["pause"] is not None
    assert (view["state"], view["pause"]["reason"], view["pause"]["operator"]) == ("paused", "no budget", "ann")
    assert from_text(view["pause"]["at"])
    assert states(request_) == {"leadleader": "open", "matchtrade": "paused"}
    assert partners.resume_partner(request_)["state"] == "open"
    assert states(request_)["matchtrade"] == "open"


def test_a_lead_that_waits_for_another_hour_is_not_shown_with_the_end_of_the_last_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("leadbridge.api.schemas.settings", lambda: settings_with_intake({"per_hour": 1}))
    wait = wait_for_partner(new_delivery("ld_1", "leadleader", "web", NOW), NOW, Wait(WaitReason.CAPPED, NOW))
    until = delivery_view(wait.after)["waiting_until"]
    assert until is not None
    assert from_text(until) > utc_now()


def test_operators_see_the_circuit_of_a_partner_also_while_it_is_paused(request_: Any) -> None:
    circuits, half_a_minute = PartnerStates(request_.resources.table), timedelta(seconds=30)
    assert circuits.count_failure("matchtrade", "ld_1", "unreachable") == 1
    assert states(request_)["matchtrade"] == "open"
    assert circuits.open_circuit("matchtrade", NOW, half_a_minute, "unreachable")
    [listed] = [one for one in partners.list_partners(request_)["partners"] if one["name"] == "matchtrade"]
    circuit = {
        "failures": 1,
        "code": "unreachable",
        "since": to_text(NOW),
        "opened_until": to_text(NOW + half_a_minute),
    }
    assert (listed["state"], listed["circuit"]) == ("circuit_open", circuit)
    paused = partners.pause_partner(request_, partners.PauseRequest(reason="an outage"))
    assert (paused["state"], paused["circuit"]) == ("paused", circuit)
    assert partners.resume_partner(request_)["state"] == "circuit_open"


@pytest.mark.parametrize(
    ("taken", "hours", "state", "until"),
    [(3, [], "open", None), (50, [], "capped", NOW + HOURS_10), (3, ["2026-03-01"], "closed", NOW + HOURS_10)],
)
def test_operators_see_the_counts_of_caps_and_the_next_opening(
    request_: Any, monkeypatch: pytest.MonkeyPatch, taken: int, hours: list[str], state: str, until: datetime | None
) -> None:
    intake = {"per_day": 50, "total": 900, **({"holidays": hours} if hours else {})}
    limited = settings_with_intake(intake, partner="matchtrade")
    monkeypatch.setattr(partners, "settings", lambda: limited)
    monkeypatch.setattr(partners, "utc_now", lambda: NOW)  # 14:00 in Kyiv
    table = Table(aws.dynamodb(), TABLE)
    for window, leads in (("2026-03-01", taken), ("2026-02-28", 50), ("total", 300)):
        table.write(put({"pk": "PARTNER#matchtrade", "sk": f"CAP#{window}", "leads": leads}))
    caps = [
        {"window": "per_day", "count": taken, "limit": 50, "ends_at": to_text(NOW + HOURS_10)},
        {"window": "total", "count": 300, "limit": 900, "ends_at": None},
    ]
    lender, broker = partners.list_partners(request_)["partners"]
    assert (lender["caps"], lender["opens_at"], lender["state"]) == ([], None, "open")
    assert (broker["caps"], broker["state"], broker["opens_at"]) == (caps, state, until and to_text(until))
    paused = partners.pause_partner(request_, partners.PauseRequest(reason="no budget"))
    assert (paused["state"], paused["caps"]) == ("paused", caps)
    assert partners.resume_partner(request_)["state"] == state


def test_operators_see_a_partners_label_and_its_sources(
    request_: Any, shipped_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = shipped_settings.partners["matchtrade"]
    more = {"broker-b": broker, "broker-c": broker.model_copy(update={"label": "Broker C"})}
    rules = Source(adapter="plain", partners=({"to": ["broker-b", "broker-c"]}, "matchtrade"))
    configured = {"partners": {**shipped_settings.partners, **more}, "sources": {"web": rules, "self-check": rules}}
    monkeypatch.setattr(partners, "settings", lambda: shipped_settings.model_copy(update=configured))
    listed = {one["name"]: (one["label"], one["sources"]) for one in partners.list_partners(request_)["partners"]}
    assert listed == {
        "leadleader": ("Lead Leader", []),
        "matchtrade": ("Match-Trade", ["web"]),
        "broker-b": ("broker-b", ["web"]),
        "broker-c": ("Broker C", ["web"]),
    }


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_a_pause_needs_a_reason_of_some_length(reason: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        partners.PauseRequest(reason=reason)


def test_a_partner_that_is_not_configured_is_a_404(request_: Any) -> None:
    request_.path["partner"] = "no-partner"
    for call in (partners.resume_partner, lambda one: partners.pause_partner(one, partners.PauseRequest(reason="x"))):
        with pytest.raises(Problem) as problem:
            call(request_)
        assert problem.value.status == 404
