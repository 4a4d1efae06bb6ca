"""Every function may do what it does, and nothing else: its role against what it wants of AWS in all its flows.

And in none of them does it log a word of anybody, or a secret.
"""

import json
import re

import pytest

from quality.testkit.aws.permissions import (
    FUNCTIONS,
    Grant,
    Keyed,
    allows,
    granted,
    in_its_name,
    key_grant,
    key_need,
    keyed,
    leading_keys,
    used,
)
from quality.testkit.aws.recorded_flows import AllFlows
from quality.testkit.wiring import routes

PHONE = re.compile(r"(?<![0-9a-zA-Z.:-])\+?(?:38)?0[5-9]\d{8}(?!\d)")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
PEOPLE = re.compile("Прикладенко|Мар'яненко|Ольга|Олена|[Вв]чителька|3068208400|Добр|Вітаємо")


@pytest.fixture(scope="module")
def wanted(all_flows: AllFlows) -> dict[str, set[Grant]]:
    """What each function wanted of AWS."""
    return used(all_flows.calls)


@pytest.fixture(scope="module")
def named_items(all_flows: AllFlows) -> dict[str, set[Keyed]]:
    """The items of the table that each function named."""
    return keyed(all_flows.calls)


def test_every_route_is_among_the_recorded_flows(all_flows: AllFlows) -> None:
    """Each one has succeeded, so all that it wants of AWS is compared with its role below."""
    assert set(routes()) - all_flows.answered == set()


def test_no_log_line_tells_of_a_person_or_a_secret(all_flows: AllFlows) -> None:
    assert len(all_flows.lines) > 50
    for line in all_flows.lines:
        text = json.dumps(json.loads(line), ensure_ascii=False)
        for found in (PEOPLE, PHONE, EMAIL):
            assert not found.search(text), line
        assert not [word for word in all_flows.secret if word in text], line


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_allows_what_its_function_does_and_nothing_else(function: str, wanted: dict[str, set[Grant]]) -> None:
    needed = wanted.get(function, set()) | in_its_name(function)
    lacking, idle = needed - granted(function), granted(function) - needed
    assert (lacking, idle) == (set(), set())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_may_use_the_key_for_what_it_reads_and_writes_and_nothing_else(
    function: str, wanted: dict[str, set[Grant]]
) -> None:
    assert key_grant(function) == key_need(wanted.get(function, set()) | in_its_name(function))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_allows_the_items_that_its_function_names_and_no_kind_of_others(
    function: str, named_items: dict[str, set[Keyed]]
) -> None:
    """A condition on the leading keys fits each call, and each of its patterns fits one. An index has its own keys."""
    statements = leading_keys(function)
    found = {one: [allows(statement, one) for statement in statements] for one in named_items.get(function, ())}
    refused = [one for one, patterns in found.items() if not any(patterns)]
    idle = [
        (sorted(actions), pattern)
        for number, (actions, _, patterns) in enumerate(statements)
        for pattern in patterns
        if pattern != "*" and not any(pattern in some[number] for some in found.values())
    ]
    assert (refused, idle) == ([], [])
