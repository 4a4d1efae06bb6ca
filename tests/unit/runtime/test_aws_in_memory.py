"""SQS, Secrets Manager, EventBridge and SNS in memory answer as moto does: what other tests build on."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from leadbridge.runtime import aws
from leadbridge.runtime.aws_errors import code_of
from quality.testkit.fixtures import queue
from quality.testkit.memory_aws import sqs as memory_sqs

BUS = "bus"
PATTERN = {"source": ["leadbridge"], "detail": {"state": ["received"], "retry_scheduled": [False]}}


@pytest.fixture(params=["memory", "moto"])
def aws_engine(request: pytest.FixtureRequest) -> str:
    """What answers for AWS."""
    engine: str = request.param
    return engine


@pytest.fixture
def url(aws_mocked: None) -> str:
    """A queue."""
    return queue("a-queue")


def code(call: Any, **parameters: Any) -> str:
    """The code of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return code_of(caught.value)


def receive(url: str, **more: Any) -> list[Any]:
    return aws.sqs().receive_message(QueueUrl=url, MaxNumberOfMessages=10, **more).get("Messages", [])


def numbers(url: str) -> tuple[str, ...]:
    """The messages that are visible, delayed and in flight."""
    names: Any = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "Delayed", "NotVisible")]
    found: Any = aws.sqs().get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return tuple(found[name] for name in names)


def test_a_queue_is_made_once_and_found_by_its_name(url: str) -> None:
    assert queue("a-queue") == url == aws.sqs().get_queue_url(QueueName="a-queue")["QueueUrl"]
    assert url.endswith("/123456789012/a-queue")
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    assert code(aws.sqs().get_queue_url, QueueName="other") == missing
    assert code(aws.sqs().send_message, QueueUrl=url + "x", MessageBody="x") == missing


def test_a_message_is_hidden_until_it_is_shown_again_or_deleted(url: str) -> None:
    attributes: Any = {"kind": {"DataType": "String", "StringValue": "x"}}
    sent = aws.sqs().send_message(QueueUrl=url, MessageBody="перше", MessageAttributes=attributes)
    aws.sqs().send_message(QueueUrl=url, MessageBody="later", DelaySeconds=60)
    assert numbers(url) == ("1", "1", "0")
    options: Any = {"MessageSystemAttributeNames": ["ApproximateReceiveCount"], "MessageAttributeNames": ["All"]}
    (first,) = receive(url, **options)
    assert (first["MessageId"], first["Body"]) == (sent["MessageId"], "перше")
    assert first["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert (first["Attributes"], first["MessageAttributes"]) == ({"ApproximateReceiveCount": "1"}, attributes)
    assert (receive(url), numbers(url)) == ([], ("0", "1", "1"))
    aws.sqs().change_message_visibility(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=7200)
    assert numbers(url) == ("0", "1", "1")
    aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    aws.sqs().delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert numbers(url) == ("0", "1", "0")


def test_a_message_that_is_not_hidden_is_received_again(url: str) -> None:
    aws.sqs().send_message(QueueUrl=url, MessageBody="x")
    names: Any = ["All"]
    counts = [
        one["Attributes"]["ApproximateReceiveCount"]
        for _ in range(2)
        for one in receive(url, VisibilityTimeout=0, WaitTimeSeconds=1, MessageSystemAttributeNames=names)
    ]
    assert counts == ["1", "2"]
    assert "Attributes" not in receive(url)[0]


def test_messages_of_a_batch_keep_their_order(url: str) -> None:
    entries: Any = [{"Id": str(number), "MessageBody": str(number)} for number in range(10)]
    answer = aws.sqs().send_message_batch(QueueUrl=url, Entries=entries)
    assert [one["Id"] for one in answer["Successful"]] == [str(number) for number in range(10)]
    assert not answer.get("Failed")
    assert [one["Body"] for one in receive(url)] == [str(number) for number in range(10)]


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("send_message", {"MessageBody": "x" * 1_048_577}, "InvalidParameterValue"),
        ("send_message", {"MessageBody": "x", "DelaySeconds": 901}, "InvalidParameterValue"),
        ("delete_message", {"ReceiptHandle": "x"}, "ReceiptHandleIsInvalid"),
        ("change_message_visibility", {"ReceiptHandle": "x", "VisibilityTimeout": 1}, "ReceiptHandleIsInvalid"),
        ("receive_message", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
    ],
)
def test_a_call_that_sqs_refuses_has_its_code(url: str, operation: str, parameters: Any, expected: str) -> None:
    assert code(getattr(aws.sqs(), operation), QueueUrl=url, **parameters) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"Id": str(number), "MessageBody": "x"} for number in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "1", "MessageBody": "x"}] * 2, "BatchEntryIdsNotDistinct"),
        ([{"Id": str(number), "MessageBody": "x" * 600_000} for number in range(2)], "BatchRequestTooLong"),
    ],
)
def test_a_batch_that_sqs_refuses_has_its_code(url: str, entries: Any, expected: str) -> None:
    assert code(aws.sqs().send_message_batch, QueueUrl=url, Entries=entries).rpartition(".")[2] == expected


def test_parameters_are_validated(url: str) -> None:
    with pytest.raises(ParamValidationError):
        aws.sqs().send_message(QueueUrl=url, MessageBody=7)  # type: ignore[arg-type]


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto accepts these characters, AWS does not
def test_a_character_that_sqs_does_not_allow_is_refused(url: str) -> None:
    assert code(aws.sqs().send_message, QueueUrl=url, MessageBody="a\x00b") == "InvalidMessageContents"


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto counts expired messages
def test_a_message_expires(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.sqs().send_message(QueueUrl=url, MessageBody="x")
    later = memory_sqs.unix_seconds() + 345_601
    monkeypatch.setattr(memory_sqs, "unix_seconds", lambda: later)
    assert (receive(url), numbers(url)) == ([], ("0", "0", "0"))


def test_a_secrets_current_version_becomes_the_previous_one(aws_mocked: None) -> None:
    manager = aws.secrets_manager()
    manager.create_secret(Name="s", SecretString="one")
    first = manager.get_secret_value(SecretId="s")
    assert (first["SecretString"], first["VersionStages"]) == ("one", ["AWSCURRENT"])
    second = manager.put_secret_value(SecretId="s", SecretString="two")["VersionId"]
    assert manager.get_secret_value(SecretId="s")["SecretString"] == "two"
    assert manager.get_secret_value(SecretId="s", VersionStage="AWSPREVIOUS")["SecretString"] == "one"
    draft = "0123456789" * 4
    manager.put_secret_value(SecretId="s", SecretString="three", ClientRequestToken=draft, VersionStages=["DRAFT"])
    assert manager.get_secret_value(SecretId="s", VersionStage="AWSCURRENT")["SecretString"] == "two"
    move: Any = {"SecretId": "s", "VersionStage": "AWSCURRENT", "MoveToVersionId": draft}
    assert code(manager.update_secret_version_stage, **move) == "InvalidParameterException"
    stale = {**move, "RemoveFromVersionId": first["VersionId"]}
    assert code(manager.update_secret_version_stage, **stale) == "InvalidParameterException"
    manager.update_secret_version_stage(**move, RemoveFromVersionId=second)
    labels = manager.describe_secret(SecretId="s")["VersionIdsToStages"]
    assert (set(labels[draft]), labels[second]) == ({"DRAFT", "AWSCURRENT"}, ["AWSPREVIOUS"])


def test_the_first_version_of_an_empty_secret_is_current(aws_mocked: None) -> None:
    manager = aws.secrets_manager()
    manager.create_secret(Name="s")
    assert "VersionIdsToStages" not in manager.describe_secret(SecretId="s")
    assert code(manager.get_secret_value, SecretId="s") == "ResourceNotFoundException"
    manager.put_secret_value(SecretId="s", SecretString="one", VersionStages=["DRAFT"])
    assert manager.get_secret_value(SecretId="s", VersionStage="AWSCURRENT")["SecretString"] == "one"


def test_a_secret_that_is_not_usable_has_its_code(aws_mocked: None) -> None:
    manager = aws.secrets_manager()
    assert code(manager.get_secret_value, SecretId="s") == "ResourceNotFoundException"
    assert code(manager.put_secret_value, SecretId="s", SecretString="x") == "ResourceNotFoundException"
    manager.create_secret(Name="s", SecretString="x")
    assert code(manager.create_secret, Name="s", SecretString="x") == "ResourceExistsException"
    manager.delete_secret(SecretId="s")
    assert code(manager.get_secret_value, SecretId="s") == "InvalidRequestException"
    manager.create_secret(Name="t", SecretString="x")
    manager.delete_secret(SecretId="t", ForceDeleteWithoutRecovery=True)
    assert code(manager.get_secret_value, SecretId="t") == "ResourceNotFoundException"


def test_a_rule_delivers_the_events_that_match_until_it_has_no_target(url: str) -> None:
    bus, rule = aws.eventbridge(), dict[str, Any](EventBusName=BUS)
    bus.create_event_bus(Name=BUS)
    assert code(bus.create_event_bus, Name=BUS) == "ResourceAlreadyExistsException"
    bus.put_rule(Name="rule", EventPattern=json.dumps(PATTERN), **rule)
    arn = "arn:aws:sqs:eu-central-1:123456789012:a-queue"
    bus.put_targets(Rule="rule", Targets=[{"Id": "queue", "Arn": arn}], **rule)
    detail = {"state": "received", "retry_scheduled": False}
    entry: Any = {"Source": "leadbridge", "DetailType": "Changed", "Detail": json.dumps(detail), **rule}
    changes: list[Any] = [{}, {"Detail": json.dumps({**detail, "retry_scheduled": True})}, {"Detail": "{"}]
    entries: list[Any] = [{**entry, **change} for change in (*changes, {"Source": ""})]
    answer = bus.put_events(Entries=entries)
    codes = [one.get("ErrorCode") for one in answer["Entries"]]
    assert (codes, answer["FailedEntryCount"]) == ([None, None, "MalformedDetail", "InvalidArgument"], 2)
    (message,) = receive(url)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"], event["detail"]) == ("leadbridge", "Changed", detail)
    bus.remove_targets(Rule="rule", Ids=["queue"], **rule)
    bus.put_events(Entries=[entry])
    assert receive(url) == []
    assert code(bus.put_events, Entries=[entry] * 11) == "ValidationException"


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)  # moto knows no topics here
def test_a_topic_takes_what_sns_takes(aws_mocked: None) -> None:
    topic = aws.sns().create_topic(Name="alarms")["TopicArn"]
    assert aws.sns().publish(TopicArn=topic, Subject="s" * 100, Message="m")["MessageId"]
    assert code(aws.sns().publish, TopicArn=topic + "x", Message="m") == "NotFound"
    assert code(aws.sns().publish, TopicArn=topic, Subject="s" * 101, Message="m") == "InvalidParameter"


@pytest.mark.parametrize("aws_engine", ["memory"], indirect=True)
def test_what_nothing_calls_is_not_implemented(url: str) -> None:
    with pytest.raises(NotImplementedError, match="PurgeQueue"):
        aws.sqs().purge_queue(QueueUrl=url)
