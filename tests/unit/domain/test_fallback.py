"""The next partner of a lead after each outcome at the one before."""

from typing import Any, get_args

import pytest

from leadbridge.domain.routing.fallback import DEFAULT_NEXT_ON, NextOn, next_partner
from leadbridge.settings import Partner, Settings
from leadbridge.settings.routing import NextOutcome, RoutingRule
from leadbridge.storage.items import lead_item, lead_of
from quality.testkit.people import lead

ORDER: dict[str, Any] = {"partners": ("a",), "fallbacks": {"a": "b", "b": "c"}}
ALL = tuple(one.value for one in NextOn)


@pytest.fixture
def partners(shipped_settings: Settings) -> dict[str, Partner]:
    """Three partners; only the second one requires a city."""
    shipped = shipped_settings.partners["matchtrade"]
    demanding = shipped.model_copy(update={"requires": ("person.city",)})
    return {"a": shipped, "b": demanding, "c": shipped}


@pytest.mark.parametrize(
    ("next_on", "passing"),
    [
        (None, {NextOn.REJECTED, NextOn.MISSING_FIELDS}),
        (("duplicate",), {NextOn.DUPLICATE}),
        (("duplicate", "missing_fields"), {NextOn.DUPLICATE, NextOn.MISSING_FIELDS}),
        (ALL, set(NextOn)),
    ],
)
def test_only_the_outcomes_of_the_rule_open_the_next_partner(
    next_on: tuple[str, ...] | None, passing: set[NextOn], partners: dict[str, Partner]
) -> None:
    chosen = {} if next_on is None else {"next_on": dict.fromkeys("ab", next_on)}
    routed = lead(city="Київ").model_copy(update={**ORDER, **chosen})
    assert {one for one in NextOn if next_partner(routed, "a", one, partners) is not None} == passing
    assert all(next_partner(routed, "c", one, partners) is None for one in NextOn), "the last one has no next"
    assert all(next_partner(routed, "by hand", one, partners) is None for one in NextOn)


def test_a_partner_that_cannot_accept_the_lead_is_skipped_if_the_rule_allows_that(
    partners: dict[str, Partner],
) -> None:
    routed = lead().model_copy(update=ORDER)
    assert next_partner(routed, "a", NextOn.REJECTED, partners) == "c"
    strict = routed.model_copy(update={"next_on": {"a": ("rejected",)}})
    assert next_partner(strict, "a", NextOn.REJECTED, partners) is None


def test_a_partner_that_is_not_configured_any_more_is_skipped(partners: dict[str, Partner]) -> None:
    routed = lead().model_copy(update={**ORDER, "next_on": {"a": ("rejected",)}})
    assert next_partner(routed, "a", NextOn.REJECTED, {"a": partners["a"], "c": partners["c"]}) == "c"
    assert next_partner(routed, "a", NextOn.REJECTED, {"a": partners["a"]}) is None


def test_the_outcomes_are_stored_with_the_lead() -> None:
    for routed in (lead(), lead().model_copy(update={**ORDER, "next_on": {"a": ALL, "b": ("rejected",)}})):
        stored = lead_of(lead_item(routed, phone_hash=None))
        assert (stored.fallbacks, stored.next_on) == (routed.fallbacks, routed.next_on)


def test_the_settings_have_the_same_outcomes_and_default() -> None:
    assert get_args(NextOutcome) == ALL
    assert RoutingRule.model_fields["next_on"].default == DEFAULT_NEXT_ON
