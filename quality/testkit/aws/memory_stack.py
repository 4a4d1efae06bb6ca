"""The functions of the template in this process, with AWS in memory: what calls what is read from the template.

Nothing runs automatically: a test invokes a function, or calls `carry` to deliver records and messages.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from types import ModuleType
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from leadbridge import settings
from leadbridge.runtime import aws
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.aws.clients import shared_session
from quality.testkit.configuration import compiled_configuration
from quality.testkit.handlers import load_function
from quality.testkit.memory_aws.account import MemoryAccount, memory_account
from quality.testkit.memory_aws.calls import ACCOUNT, REGION
from quality.testkit.template import resources, table_definition, template
from quality.testkit.wiring import passes_stream_filter, routes, schedules, stream_mappings, workers

OUTSIDE = {
    "Environment": "local",
    "Prefix": "leadbridge",
    "AWS::StackName": "leadbridge",
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}
CREDENTIALS = {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
MAX_ROUNDS = 100  # of carrying, after which something goes in circles


@dataclass(frozen=True)
class Call:
    """A call to AWS as a function made it."""

    function: str
    operation: str
    parameters: dict[str, Any]


class Context:
    """Lambda's context object; each invocation has an id of its own."""

    function_name = "a-function"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:a-function"

    def __init__(self, seconds: int, number: int = 1) -> None:
        self.aws_request_id = f"request-{number}"
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        """The whole time of the function."""
        return self._seconds * 1000


@dataclass
class MemoryStack:
    """One stack. `calls` are those that functions have made to AWS, `answered` the routes that have succeeded."""

    account: MemoryAccount
    calls: list[Call] = field(default_factory=list)
    answered: set[tuple[str, str]] = field(default_factory=set)
    _modules: dict[str, ModuleType] = field(default_factory=dict)
    _environments: dict[str, dict[str, str]] = field(default_factory=dict)
    _function: str | None = None
    _requests: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def store(self) -> LeadRepository:
        """The table of leads."""
        return LeadRepository(Table(aws.dynamodb(), self.ref("Leads")))

    @property
    def is_at_work(self) -> bool:
        """Whether a function runs at this moment."""
        return self._function is not None

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        """Give the secret `{prefix}/{name}` a value."""
        text = json.dumps(value)
        aws.secrets_manager().put_secret_value(SecretId=f"{OUTSIDE['Prefix']}/{name}", SecretString=text)

    def secret(self, name: str) -> dict[str, Any]:
        """The value of the secret `{prefix}/{name}`."""
        text = aws.secrets_manager().get_secret_value(SecretId=f"{OUTSIDE['Prefix']}/{name}")["SecretString"]
        return dict(json.loads(text))

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Have a function work on an event, with its own environment."""
        before, self._function = self._function, function
        try:
            with environment(self._environment(function)):
                context = Context(self._timeout(function), next(self._requests))
                answer = self._module(function).handler(event, context)
        finally:
            self._function = before
        if "httpMethod" in event and answer["statusCode"] < 300:
            self.answered.add((event["httpMethod"], event["resource"]))
        return answer

    def restart(self, function: str) -> None:
        """Forget a function's worker, and what it had cached."""
        self._modules.pop(function, None)

    def ask(
        self, method: str, resource: str, body: str | None = None, *, headers: dict[str, str] | None = None, **more: Any
    ) -> Any:
        """Ask a route as the gateway does, behind its authorizer; `more` stands in the event. 401 where it refuses."""
        function, properties = routes()[method, resource]
        event = {
            "httpMethod": method,
            "resource": resource,
            "headers": headers or {},
            "pathParameters": None,
            "queryStringParameters": None,
            "requestContext": {},
            "body": body,
            "isBase64Encoded": False,
            **more,
        }
        if properties.get("Auth") == {"Authorizer": "Operator"}:
            asked = {"authorizationToken": (headers or {}).get("Authorization", ""), "methodArn": METHOD_ARN}
            let_in = self._let_in(asked)
            if let_in is None:
                return {"statusCode": 401, "headers": {"Content-Type": PROBLEM}, "body": UNAUTHORIZED}
            event["requestContext"] = {"authorizer": let_in["context"]}
        return self.invoke(function, event)

    def carry(self) -> None:
        """Bring every change to the bus, every event to its queue, every message to its function, until all is quiet.

        Messages that hide stay where they are.
        """
        for _ in range(MAX_ROUNDS):
            if not self._announce() + sum(self._work_off(*one) for one in workers()):
                return
        raise AssertionError("there is no end to it")

    def lose_changes(self) -> None:
        """Lose what the stream holds, as a disabled mapping does in the end."""
        self.take_records()

    def tick(self) -> None:
        """Run every schedule once, and deliver the results."""
        for function in schedules().values():
            self.invoke(function, {})
        self.carry()

    def take_records(self) -> list[dict[str, Any]]:
        """Take the records that the table's stream holds."""
        return self.account.dynamodb.table("Leads").take_records()

    def receive(self, queue: str) -> Iterator[Any]:
        """Receive the messages of a queue, also those that are sent meanwhile."""
        while self.has_messages(queue):
            yield from aws.sqs().receive_message(QueueUrl=self.ref(queue), MaxNumberOfMessages=10).get("Messages", [])

    def ref(self, name: str) -> str:
        """What `!Ref` gives for a parameter or a resource."""
        if name in OUTSIDE:
            return OUTSIDE[name]
        if name in template()["Parameters"]:
            return str(template()["Parameters"][name]["Default"])
        if template()["Resources"][name]["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
        if template()["Resources"][name]["Type"] == "AWS::SNS::Topic":
            return f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}"
        return name

    def resolved(self, value: Any) -> Any:
        """A value of the template, its references put in."""
        match value:
            case {"Ref": name}:
                return self.ref(name)
            case {"Fn::GetAtt": [name, "Arn"]}:
                return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
            case {"Fn::Sub": text}:
                return re.sub(r"\$\{([\w:]+)\}", lambda found: self.ref(found[1]), text)
            case _:
                return value

    def make(self) -> None:
        """Make what the template has of tables, queues, buses, rules and secrets."""
        stream: Any = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}
        aws.dynamodb().create_table(**table_definition("Leads"), **stream)
        for queue, found in resources("AWS::SQS::Queue").items():
            attributes: Any = {"MessageRetentionPeriod": str(found["Properties"]["MessageRetentionPeriod"])}
            aws.sqs().create_queue(QueueName=queue, Attributes=attributes)
        for topic in resources("AWS::SNS::Topic"):
            aws.sns().create_topic(Name=topic)
        for bus in resources("AWS::Events::EventBus"):
            aws.eventbridge().create_event_bus(Name=bus)
        for rule, found in resources("AWS::Events::Rule").items():
            properties = found["Properties"]
            name = {"Name": rule, "EventBusName": self.resolved(properties["EventBusName"])}
            aws.eventbridge().put_rule(**name, EventPattern=json.dumps(properties["EventPattern"]))
            targets: Any = [{"Id": one["Id"], "Arn": self.resolved(one["Arn"])} for one in properties["Targets"]]
            aws.eventbridge().put_targets(Rule=rule, EventBusName=name["EventBusName"], Targets=targets)
        for secret in resources("AWS::SecretsManager::Secret").values():
            name_of = self.resolved(secret["Properties"]["Name"])
            aws.secrets_manager().create_secret(Name=name_of, SecretString='{"key": "a-key"}')

    def note(self, operation: str, parameters: dict[str, Any]) -> None:
        """Note a call, if a function makes it."""
        if self._function is not None:
            self.calls.append(Call(self._function, operation, parameters))

    def _let_in(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        answer = dict(self.invoke("Authorize", asked))
        (statement,) = answer["policyDocument"]["Statement"]
        return answer if statement["Effect"] == "Allow" else None

    def _announce(self) -> int:
        records, announced = self.take_records(), 0
        for function in dict.fromkeys(name for name, _ in stream_mappings()):
            wanted = [record for record in records if passes_stream_filter(record, function)]
            if wanted:
                assert self.invoke(function, {"Records": wanted}) == {"batchItemFailures": []}
            announced += len(wanted)
        return announced

    def _work_off(self, queue: str, function: str) -> int:
        number = 0
        for message in self.receive(queue):
            number += 1
            event = sqs_event(message["Body"], message["MessageId"], message["ReceiptHandle"])
            if not self.invoke(function, event)["batchItemFailures"]:
                aws.sqs().delete_message(QueueUrl=self.ref(queue), ReceiptHandle=message["ReceiptHandle"])
        return number

    def has_messages(self, queue: str) -> bool:
        """Whether a queue has messages to receive."""
        return bool(self.account.sqs.queue(queue).visible())

    @staticmethod
    def _timeout(function: str) -> int:
        own = template()["Resources"][function]["Properties"]
        return int(own.get("Timeout", template()["Globals"]["Function"]["Timeout"]))

    def _environment(self, function: str) -> dict[str, str]:
        if function not in self._environments:
            own = template()["Resources"][function]["Properties"].get("Environment", {}).get("Variables", {})
            variables = template()["Globals"]["Function"]["Environment"]["Variables"] | own
            self._environments[function] = {name: str(self.resolved(value)) for name, value in variables.items()}
        return self._environments[function]

    def _module(self, function: str) -> ModuleType:
        if function not in self._modules:
            flow = os.environ["LEADBRIDGE_FLOW"]
            self._modules[function] = load_function(flow, f"memory_{flow}")
        return self._modules[function]


def sqs_event(body: str, message_id: str, receipt: str, received: int = 1) -> dict[str, Any]:
    """Lambda's event of one message of a queue."""
    record = {
        "messageId": message_id,
        "receiptHandle": receipt,
        "body": body,
        "attributes": {"ApproximateReceiveCount": str(received)},
        "eventSource": "aws:sqs",
    }
    return {"Records": [record]}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set these variables while the block runs. `patch.dict` writes all other variables as well."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def memory_stack() -> Iterator[MemoryStack]:
    """A stack of its own while the block runs, with the shipped configuration."""
    base: Any = BaseClient
    with (
        patch.dict(os.environ, CREDENTIALS),
        patch.object(settings, "_SHIPPED", compiled_configuration()),
        patch.object(aws, "get_session", shared_session),
        memory_account() as account,
    ):
        stack, make_call = MemoryStack(account), base._make_api_call

        def noted(client: Any, operation: str, parameters: dict[str, Any]) -> Any:
            stack.note(operation, parameters)
            return make_call(client, operation, parameters)

        with patch.object(BaseClient, "_make_api_call", noted):
            forget_what_is_cached()
            stack.make()
            yield stack
    forget_what_is_cached()


def forget_what_is_cached() -> None:
    """Forget the clients and the configuration of another stack."""
    aws.reset_clients()
    settings.settings.cache_clear()


PROBLEM = "application/problem+json"
METHOD_ARN = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api/v1/GET/leads"
UNAUTHORIZED = resources("AWS::Serverless::Api")["Api"]["Properties"]["GatewayResponses"]["UNAUTHORIZED"][
    "ResponseTemplates"
]["application/json"]
