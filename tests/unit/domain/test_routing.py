"""Who gets a lead: conditions on the lead and on the form, and whom to fall back on."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from leadbridge.domain.lead import LeadFields
from leadbridge.domain.routing.rules import Decision, RoutingFacts, choose_partners, skip_unfit_partners
from leadbridge.settings import Source
from leadbridge.settings.routing import Routes
from quality.testkit.people import NOW, asked

ROUTES: TypeAdapter[Any] = TypeAdapter(Routes)
IDS = {"sub1": "Team A", "campaign_id": 20312345678}
LEAD = LeadFields.model_validate({**asked(region="Київська  область"), "utm": {"utm_source": "google"}, "ids": IDS})
ANSWERS = {"Тип клієнта": " ФОП ", "Сума": "12 000,50", "Порожнє": ""}


def decided(*routes: Any, received_at: datetime = NOW, **answers: str) -> Decision:
    source = Source(adapter="plain", partners=routes)
    return choose_partners(source, RoutingFacts(LEAD.value, {**ANSWERS, **answers}, received_at))


def test_plain_partners_all_get_it_and_nothing_is_said() -> None:
    assert decided("a", "b", "a") == Decision(("a", "b"))


@pytest.mark.parametrize(
    ("path", "condition", "holds"),
    [
        ("loan.amount", {"at_least": 6000}, True),
        ("loan.amount", {"at_least": "6000.01"}, False),
        ("loan.amount", {"at_least": 1, "at_most": 6000.0}, True),
        ("loan.amount", {"at_most": 5999}, False),
        ("loan.term", {"equals": "12"}, True),
        ("person.region", {"equals": "київська область"}, True),
        ("person.region", {"one_of": ["Львівська область", "КИЇВСЬКА ОБЛАСТЬ"]}, True),
        ("person.region", {"one_of": ["Львівська область"]}, False),
        ("person.region", {"at_least": 1}, False),
        ("person.city", {"given": True}, False),
        ("person.city", {"given": False}, True),
        ("person.city", {"equals": ""}, False),
        ("utm.utm_source", {"equals": "Google"}, True),
        ("utm.utm_medium", {"given": False}, True),
        ("ids.sub1", {"equals": "team a"}, True),
        ("ids.sub1", {"one_of": ["team-b"]}, False),
        ("ids.campaign_id", {"at_least": 20312345678}, True),
        ("ids.gclid", {"given": True}, False),
        ("ids.gclid", {"given": False}, True),
        ("form.Тип клієнта", {"equals": "фоп"}, True),
        ("form.Тип клієнта", {"equals": "фоп", "given": True, "one_of": ["ТОВ"]}, False),
        ("form.Сума", {"at_least": 12000.5}, True),
        ("form.Порожнє", {"given": True}, False),
        ("form.Немає", {"given": False}, True),
    ],
)
def test_a_condition_holds_or_not(path: str, condition: dict[str, Any], holds: bool) -> None:
    decision = decided({"to": "a", "when": {path: condition}}, "b")
    assert decision.partners == (("a", "b") if holds else ("b",))


def test_the_reason_names_rules_and_fields_and_no_value() -> None:
    decision = decided(
        {"to": ["a", "b"], "when": {"loan.amount": {"at_most": 100}, "person.region": {"given": True}}},
        {"to": ["b", "c", "a"]},
    )
    assert decision.partners == ("b",)
    assert decision.fallbacks == {"b": "c", "c": "a"}
    assert decision.reason == "rule 1 does not match: loan.amount; rule 2: b, else c, else a"


def test_a_lead_without_a_partner_has_a_problem() -> None:
    decision = decided({"to": "a", "when": {"person.city": {"given": True}}})
    assert decision == Decision(
        (),
        {},
        {},
        "rule 1 does not match: person.city; no partner gets it",
        {"rules": [{"rule": 1, "unmet": ["person.city"]}]},
    )


def test_a_partner_gets_a_lead_by_one_route_only() -> None:
    decision = decided({"to": ["a", "b"]}, {"to": ["b", "c"]}, "a")
    assert decision.partners == ("a", "c")
    assert decision.fallbacks == {"a": "b"}


@pytest.mark.parametrize(
    "routes",
    [
        [],
        [{"to": []}],
        [{"to": ["a", "a"]}],
        [{"to": "a", "when": {"loan.amount": {}}}],
        [{"to": "a", "when": {"loan.amount": {"at_least": "much"}}}],
        [{"to": "a", "when": {"loan.amount": {"at_least": True}}}],
        [{"to": "a", "when": {"loan.amount": {"at_least": 2, "at_most": 1}}}],
        [{"to": "a", "when": {"loan.amount": {"over": 1}}}],
        [{"to": "a", "if": {}}],
        [{"to": "a", "next_on": ["rejected"]}],
        [{"to": ["a", "b"], "next_on": []}],
        [{"to": ["a", "b"], "next_on": ["unknown"]}],
        [{"to": ["a", "b"], "next_on": ["rejected", "rejected"]}],
        [{"to": [{"partner": "a", "weight": 70}, "b"]}],
        [{"to": [{"partner": "a", "weight": 70}, {"partner": "b", "weight": 0}]}],
        [{"to": [{"partner": "a", "weight": 70}, {"partner": "b", "weight": 0.5}]}],
        [{"to": [{"partner": "a", "weight": 70}, {"partner": "a", "weight": 30}]}],
        [{"to": {"partner": "a", "weight": 70}}],
        [{"to": [{"weight": 70}]}],
        [{"to": [7]}],
        [{"to": "a", "when": {"time": {"equals": "noon"}}}],
        [{"to": "a", "when": {"time": {"given": True}}}],
        [{"to": "a", "when": {"time": {"within": "noon"}}}],
        [{"to": "a", "when": {"time": {"within": []}}}],
        [{"to": "a", "when": {"person.city": {"within": "mon 09:00-10:00"}}}],
        [7],
    ],
)
def test_what_is_no_route_is_refused(routes: list[Any]) -> None:
    with pytest.raises(ValidationError):
        ROUTES.validate_python(routes)


ORDER = Decision(("a",), {"a": "b", "b": "c"}, {}, "rule 1: a, else b, else c")


@pytest.mark.parametrize(
    ("able", "chosen", "reason"),
    [
        ("abc", "a", ORDER.reason),
        ("bc", "b", f"{ORDER.reason}; a cannot accept it"),
        ("c", "c", f"{ORDER.reason}; a cannot accept it; b cannot accept it"),
        ("", None, f"{ORDER.reason}; a cannot accept it; b cannot accept it; c cannot accept it"),
    ],
)
def test_a_partner_that_cannot_take_a_lead_is_passed_over(able: str, chosen: str | None, reason: str) -> None:
    found = skip_unfit_partners(ORDER, lambda name: name in able)
    assert (found.partners, found.reason) == (() if chosen is None else (chosen,), reason)
    assert found.fallbacks == ORDER.fallbacks


@pytest.mark.parametrize(
    ("condition", "hours"),
    [
        ({"within": "mon-fri 09:00-18:00"}, [("2026-03-02T07:00:00Z", True), ("2026-03-02T16:00:00Z", False)]),
        ({"within": ["sat 10:00-24:00", "sun 00:00-02:00"]}, [("2026-02-28T22:30:00Z", True)]),
        ({"outside": "mon-fri 09:00-18:00"}, [("2026-03-02T06:59:59Z", True), ("2026-03-02T07:00:00Z", False)]),
        ({"within": "mon-fri 09:00-18:00"}, [("2026-03-30T06:00:00Z", True), ("2026-03-30T05:59:59Z", False)]),
        (
            {"within": "mon-sun 08:00-20:00", "outside": "mon-sun 13:00-14:00"},
            [("2026-03-02T10:59:00Z", True), ("2026-03-02T11:00:00Z", False), ("2026-03-02T12:00:00Z", True)],
        ),
    ],
)
def test_a_rule_applies_at_the_hours_of_the_source(condition: dict[str, Any], hours: list[tuple[str, bool]]) -> None:
    for text, applies in hours:
        decision = decided({"to": "a", "when": {"time": condition}}, received_at=datetime.fromisoformat(text))
        assert (decision.partners == ("a",)) is applies, text
        assert applies or decision.data["rules"] == [{"rule": 1, "unmet": ["time"]}]


@given(minute=st.integers(0, 366 * 24 * 60), line=st.sampled_from(["mon-fri 09:00-18:00", "sun 02:00-24:00"]))
def test_a_lead_is_either_within_hours_or_outside(minute: int, line: str) -> None:
    at = NOW + timedelta(minutes=minute)
    rules = [{"to": name, "when": {"time": {name: line}}} for name in ("within", "outside")]
    assert len(decided(*rules, received_at=at).partners) == 1


def test_outcomes_of_a_rule_are_those_of_its_partners() -> None:
    decision = decided({"to": ["a", "b", "c"], "next_on": ["duplicate"]}, {"to": ["c", "d", "e"]})
    assert decision.next_on == {"a": ("duplicate",), "b": ("duplicate",)}
    assert decision.fallbacks == {"a": "b", "b": "c", "d": "e"}


def test_a_partner_is_not_passed_over_if_its_rule_does_not_allow_that() -> None:
    strict = Decision(("a", "d"), {"a": "b", "d": "e"}, {"a": ("rejected",)})
    assert strict.candidates == ["a", "d", "e"]
    found = skip_unfit_partners(strict, lambda name: name in "be")
    assert (found.partners, found.data) == (("e",), {"passed_over": ["a", "d"]})


def test_partners_without_an_order_are_left_out_if_they_cannot_take_a_lead() -> None:
    both = Decision(("a", "b"))
    found = skip_unfit_partners(both, lambda name: name == "b")
    assert (found.partners, found.reason, found.data) == (("b",), "a cannot accept it", {"passed_over": ["a"]})
    assert skip_unfit_partners(both, lambda _: True) is both
