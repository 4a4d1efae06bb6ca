"""Shares of partners by a keyed hash of the person."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.domain.fields.hashes import keyed_hash
from leadbridge.domain.lead import LeadFields
from leadbridge.domain.routing.rules import Decision, RoutingFacts, choose_partners
from leadbridge.domain.routing.weights import order_by_weight, person_of
from leadbridge.settings import Source
from quality.testkit.people import NOW, asked

PEOPLE = [f"+38050{number:07}" for number in range(4000)]
NAMES = st.text("abcdefgh", min_size=1, max_size=4)
WEIGHTS = st.dictionaries(NAMES, st.integers(1, 1_000_000), min_size=1, max_size=6)


def hashed(value: str) -> str:
    return keyed_hash("key", value)


def firsts(weights: dict[str, int]) -> list[str]:
    return [order_by_weight(person, weights, hashed)[0] for person in PEOPLE]


@given(person=st.text(max_size=20), weights=WEIGHTS, key=st.text(max_size=5))
def test_the_order_has_every_partner_once_and_depends_on_person_weights_and_key(
    person: str, weights: dict[str, int], key: str
) -> None:
    order = order_by_weight(person, weights, lambda value: keyed_hash(key, value))
    assert sorted(order) == sorted(weights)
    turned = dict(reversed(weights.items()))
    assert order_by_weight(person, turned, lambda value: keyed_hash(key, value)) == order


@given(person=st.text(max_size=20), weights=WEIGHTS, more=st.integers(1, 1000), data=st.data())
def test_a_larger_weight_moves_people_to_that_partner_and_changes_no_other_order(
    person: str, weights: dict[str, int], more: int, data: st.DataObject
) -> None:
    grown = data.draw(st.sampled_from(sorted(weights)))
    before = order_by_weight(person, weights, hashed)
    after = order_by_weight(person, {**weights, grown: weights[grown] + more}, hashed)
    assert after.index(grown) <= before.index(grown)
    assert [name for name in after if name != grown] == [name for name in before if name != grown]


@given(person=st.text(max_size=20), weights=WEIGHTS, data=st.data())
def test_without_a_partner_the_order_of_the_others_stays(
    person: str, weights: dict[str, int], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(weights)))
    others = {name: weight for name, weight in weights.items() if name != gone}
    order = order_by_weight(person, weights, hashed)
    assert order_by_weight(person, others, hashed) == [name for name in order if name != gone]


@pytest.mark.parametrize("weights", [{"a": 70, "b": 30}, {"a": 1, "b": 1, "c": 2}, {"a": 999, "b": 1}])
def test_each_partner_is_the_first_for_its_share(weights: dict[str, int]) -> None:
    chosen, total = firsts(weights), sum(weights.values())
    for name, weight in weights.items():
        share = weight / total
        bound = 5 * (share * (1 - share) / len(PEOPLE)) ** 0.5  # five standard deviations
        assert abs(chosen.count(name) / len(PEOPLE) - share) <= bound


def test_a_changed_share_moves_only_the_people_that_it_must() -> None:
    before, after = firsts({"a": 70, "b": 30}), firsts({"a": 80, "b": 30})
    moved = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    assert set(moved) == {("b", "a")}
    assert len(moved) / len(PEOPLE) < 0.06  # 80/110 - 70/100 is 0.027


def test_the_second_choice_has_its_share_of_the_rest() -> None:
    orders = [order_by_weight(person, {"a": 50, "b": 40, "c": 10}, hashed) for person in PEOPLE]
    seconds = [order[1] for order in orders if order[0] == "a"]
    assert abs(seconds.count("b") / len(seconds) - 0.8) < 0.05


def test_a_person_is_known_by_the_phone_else_by_the_email() -> None:
    def person(**contact: Any) -> str:
        return person_of(LeadFields.model_validate(asked(**contact)).value)

    assert person() == person(phone="+380500000001", email="other@example.com") == "+380500000001"
    assert person(phone="", email="Olena@Example.com") == person(phone="", email="olena@example.com")
    assert person(phone="", email="") == ""


RULE = {
    "to": [{"partner": "a", "weight": 70}, {"partner": "b", "weight": 20}, {"partner": "c", "weight": 10}],
    "next_on": ["rejected", "duplicate"],
}


def decided(phone: str, *routes: Any) -> Decision:
    source = Source(adapter="plain", partners=routes)
    lead = LeadFields.model_validate(asked(phone=phone))
    return choose_partners(source, RoutingFacts(lead.value, {}, NOW, hashed))


def test_a_rule_with_weights_gives_a_person_an_order_and_says_so() -> None:
    decision = decided(PEOPLE[1], RULE)
    order = order_by_weight(PEOPLE[1], {"a": 70, "b": 20, "c": 10}, hashed)
    assert decision.order_from(decision.partners[0]) == order
    assert decision.next_on == dict.fromkeys(order[:-1], ("rejected", "duplicate"))
    assert decision.reason == f"rule 1 by weight: {', else '.join(order)}"
    (rule,) = decision.data["rules"]
    assert rule == {
        "rule": 1,
        "partners": order,
        "weights": {"a": 70, "b": 20, "c": 10},
        "next_on": ["rejected", "duplicate"],
    }


def test_a_partner_of_another_rule_takes_no_share() -> None:
    chosen = {decided(person, "a", RULE).partners for person in PEOPLE[:200]}
    assert chosen == {("a", "b"), ("a", "c")}
    assert PEOPLE[0] not in str(decided(PEOPLE[0], "a", RULE))


def test_the_key_is_not_used_without_weights() -> None:
    lead = LeadFields.model_validate(asked())
    source = Source(adapter="plain", partners=({"to": ["a", "b"]}, "c"))
    decision = choose_partners(source, RoutingFacts(lead.value, {}, NOW, lambda _: pytest.fail("hashed")))
    assert decision.partners == ("a", "c")
