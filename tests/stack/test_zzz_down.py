"""The last of all: the stack is stopped by the command that says so."""

import pytest

from devstack.stack import Stack
from devstack.workdir import TESTS
from tests.stack.test_typed import typed


def test_a_stack_is_stopped_and_nothing_of_it_is_left(stack: Stack) -> None:
    if Stack.live(TESTS) != stack:
        pytest.skip("the stack that is up is the developer's")
    assert "The local stack is stopped." in typed(TESTS, "make", "down")
    assert TESTS.holder() is None
    assert "No local stack is running." in typed(TESTS, "make", "down")
