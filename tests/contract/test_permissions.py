"""Every function may do what it does, and nothing else: its role against what it wants of AWS in all its flows.

And in none of them does it log a word of anybody, or a secret.
"""

import json
import re

import pytest

from quality.testkit.aws.permissions import FUNCTIONS, Grant, granted, in_its_name, key_grant, key_need, used
from quality.testkit.aws.recorded_flows import AllFlows

PHONE = re.compile(r"(?<![0-9a-zA-Z.:-])\+?(?:38)?0[5-9]\d{8}(?!\d)")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
PEOPLE = re.compile("Прикладенко|Мар'яненко|Ольга|Олена|[Вв]чителька|3068208400|Добр|Вітаємо")


@pytest.fixture(scope="module")
def wanted(all_flows: AllFlows) -> dict[str, set[Grant]]:
    """What each function wanted of AWS."""
    return used(all_flows.calls)


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
