"""The stack tier: the deployed template on the local AWS, started once."""

from collections.abc import Iterator

import pytest

from local.home import TESTS
from local.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The developer's running stack, or one started in a home of the tests' own and stopped after the last test."""
    with running_stack(TESTS) as running:
        yield running
