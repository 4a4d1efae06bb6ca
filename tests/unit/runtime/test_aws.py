"""What the clients of AWS leave out on Lambda, and what they keep where we test."""

from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ParamValidationError
from botocore.session import get_session

from leadbridge.runtime import aws, environment


@pytest.fixture
def aws_engine() -> str:
    """botocore's requests are looked at."""
    return "moto"


@pytest.fixture
def sent(aws_mocked: None, monkeypatch: pytest.MonkeyPatch) -> list[AWSPreparedRequest]:
    """Requests as they would go out of a function; AWS refuses them all."""
    monkeypatch.setenv(environment.LAMBDA_VARIABLE, "on-demand")
    monkeypatch.setattr(aws, "is_direct", lambda: False)  # nothing is sent
    monkeypatch.setattr(aws, "get_session", get_session)  # the clients that this changes are no other test's
    requests: list[AWSPreparedRequest] = []
    refusal = b'{"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "no such type"}'

    def refused(request: AWSPreparedRequest, **_: Any) -> Any:
        requests.append(request)
        response = AWSResponse(request.url, 400, {}, None)  # type: ignore[arg-type]
        response._content = refusal  # type: ignore[attr-defined]
        return response

    aws.dynamodb().meta.events.register_first("before-send.dynamodb", refused)
    return requests


def test_on_lambda_aws_itself_checks_what_it_is_sent(sent: list[AWSPreparedRequest]) -> None:
    client = aws.dynamodb()

    with pytest.raises(client.exceptions.ClientError, match="no such type"):
        client.get_item(TableName="leads", Key={"pk": {"S": 5}})

    (request,) = sent
    assert b'"S": 5' in (request.body if isinstance(request.body, bytes) else b"")


def test_a_function_calls_itself_by_one_name(sent: list[AWSPreparedRequest]) -> None:
    client = aws.dynamodb()

    with pytest.raises(client.exceptions.ClientError):
        client.get_item(TableName="leads", Key={"pk": {"S": "LEAD#1"}})

    (request,) = sent
    assert request.headers["User-Agent"].split()[0] == b"leadbridge"


def test_where_we_test_a_wrong_parameter_goes_nowhere(aws_mocked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(environment.LAMBDA_VARIABLE, raising=False)
    with pytest.raises(ParamValidationError):
        aws.dynamodb().get_item(TableName="leads", Key={"pk": {"S": 5}})
