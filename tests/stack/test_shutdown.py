"""Final check: `make down` stops the stack and leaves nothing running."""

import pytest

from devstack.stack import Stack
from quality.testkit.deployed import TESTS, typed

pytestmark = pytest.mark.final(4)


def test_a_stack_is_stopped_and_nothing_of_it_remains(stack: Stack) -> None:
    if Stack.live(TESTS) != stack:
        pytest.skip("the stack that is up is the developer's")
    assert "The local stack is stopped." in typed(TESTS, "make", "down")
    assert TESTS.holder() is None
    assert "No local stack is running." in typed(TESTS, "make", "down")
