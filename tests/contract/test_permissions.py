"""Every function may do what it does, and nothing else: its role against what it wants of AWS in all its flows."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.remote import Remote
from sandbox.server import Sandbox
from tests.contract.everything import live
from tests.moto_stack import moto_stack
from tests.permissions import FUNCTIONS, Grant, granted, in_its_name, key_grant, key_need, used


@pytest.fixture(scope="module")
def wanted(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[Grant]]]:
    """What each function wanted of AWS in all that a stack does."""
    directory: Path = tmp_path_factory.mktemp("stack")
    with moto_stack(directory) as stack:
        live(stack, Remote(sandbox.url), sandbox.secrets())
        yield used(stack.calls)


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
