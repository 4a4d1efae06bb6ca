"""The storage tests are the contract of the repositories: they run on moto's DynamoDB and on the one in memory."""

import pytest


@pytest.fixture(params=["memory", "moto"])
def aws_engine(request: pytest.FixtureRequest) -> str:
    """What answers for DynamoDB."""
    engine: str = request.param
    return engine
