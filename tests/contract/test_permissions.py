"""Every function may do what it does, and nothing else: its role against what it wants of AWS in all its flows.

And in none of them does it log a word of anybody, or a secret.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest

from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from leadbridge.runtime.logs import logger
from quality.testkit.aws.all_flows import live
from quality.testkit.aws.moto_stack import moto_stack
from quality.testkit.aws.permissions import FUNCTIONS, Grant, granted, in_its_name, key_grant, key_need, used

PHONE = re.compile(r"(?<![0-9a-zA-Z.:-])\+?(?:38)?0[5-9]\d{8}(?!\d)")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.\w+")
PEOPLE = re.compile("Прикладенко|Мар'яненко|Ольга|Олена|[Вв]чителька|3068208400|Добр|Вітаємо")
SECRET = re.compile(r"[A-Za-z0-9+/_=-]{16,}")


@dataclass(frozen=True)
class Life:
    """What was asked of AWS, what was logged, and which words were secret."""

    wanted: dict[str, set[Grant]]
    lines: list[str]
    secret: set[str]


@pytest.fixture(scope="module")
def life(sandbox: Sandbox) -> Iterator[Life]:
    """All that a stack does, done once."""
    written = StringIO()
    handler: Any = logger.registered_handler
    with moto_stack() as stack:
        before = handler.setStream(written)
        try:
            live(stack, Remote(sandbox.url), sandbox.secrets())
        finally:
            handler.setStream(before)
        names = ("leadleader", "leeloo", "matchtrade", "sources", "operators")
        words = SECRET.findall(json.dumps([stack.secret(name) for name in names]))
        yield Life(used(stack.calls), written.getvalue().splitlines(), set(words) - {sandbox.url})


@pytest.fixture(scope="module")
def wanted(life: Life) -> dict[str, set[Grant]]:
    """What each function wanted of AWS."""
    return life.wanted


def test_no_log_line_tells_of_a_person_or_a_secret(life: Life) -> None:
    assert len(life.lines) > 50
    for line in life.lines:
        text = json.dumps(json.loads(line), ensure_ascii=False)
        for found in (PEOPLE, PHONE, EMAIL):
            assert not found.search(text), line
        assert not [word for word in life.secret if word in text], line


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
