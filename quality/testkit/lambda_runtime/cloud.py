"""What the functions find around them: a table, queues, a bus and secrets, made as the template has them."""

import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Self
from uuid import uuid4

from devstack.clients import CREDENTIALS, REGION, Emulator
from devstack.partners import stored_secrets
from devstack.sandbox.remote import Remote
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.testkit.template import resources, table_definition, template

type Event = dict[str, Any]

SECRET = "whsec_c2FtcGxlLXNlY3JldC1vZi10aGUtdGVzdHMhISEh"  # of the source web
INDEX_KEY = "a key of the scenarios alone"
ACCOUNT = "000000000000"
SUBMIT_RULE = "SubmitLeadLeaderRule"


@dataclass(frozen=True)
class Cloud:
    """An AWS of one test's own: every name in it ends in `suffix`."""

    aws: Emulator
    suffix: str
    configuration: str = "local"

    @classmethod
    def made(cls, aws: Emulator, configuration: str = "local") -> "Cloud":
        """A new one, empty: no leads, no secrets. `configuration` is the parameter Environment of the template."""
        cloud = cls(aws, uuid4().hex[:8], configuration)
        cloud._make()
        return cloud

    def client(self, service: str) -> Any:
        """A client of the emulated AWS."""
        return _client(self.aws, service)

    @property
    def store(self) -> LeadRepository:
        """The table of leads."""
        return LeadRepository(Table(self.client("dynamodb"), self.ref("Leads")))

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        """Make the secret `{prefix}/{name}`."""
        self.client("secretsmanager").create_secret(Name=f"{self.ref('Prefix')}/{name}", SecretString=json.dumps(value))

    def messages(self, queue: str) -> list[Any]:
        """The JSON bodies of the messages in a queue, one at least: waits a few seconds for it."""
        received = self.client("sqs").receive_message(
            QueueUrl=self.ref(queue), MaxNumberOfMessages=10, WaitTimeSeconds=5
        )
        return [json.loads(message["Body"]) for message in received.get("Messages", [])]

    def environment(self, function: str) -> dict[str, str]:
        """What Lambda puts into a function's environment, and where AWS is."""
        properties = template()["Resources"][function]["Properties"]
        for_all = template()["Globals"]["Function"]
        variables = for_all["Environment"]["Variables"] | properties.get("Environment", {}).get("Variables", {})
        return {
            **{name: self._value(value) for name, value in variables.items()},
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.aws.url,
            "AWS_LAMBDA_FUNCTION_NAME": self._value(properties["FunctionName"]),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties.get("MemorySize", for_all["MemorySize"])),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(properties.get("Timeout", for_all["Timeout"])),
            "AWS_LAMBDA_LOG_FORMAT": for_all["LoggingConfig"]["LogFormat"],
        }

    def ref(self, name: str) -> str:
        """What `!Ref` gives for a parameter or a resource of the template."""
        given = {
            "Environment": self.configuration,
            "Prefix": f"leadbridge-{self.suffix}",
            "AWS::StackName": f"test-{self.suffix}",
            "AWS::Region": REGION,
            "AWS::URLSuffix": "amazonaws.com",
        }
        if name in given:
            return given[name]
        if name in template()["Parameters"]:
            return str(template()["Parameters"][name]["Default"])
        match template()["Resources"][name]["Type"]:
            case "AWS::SQS::Queue":
                return f"{self.aws.url}/{ACCOUNT}/{name}-{self.suffix}"
            case "AWS::SNS::Topic":
                return f"arn:aws:sns:{REGION}:{ACCOUNT}:{name}-{self.suffix}"
            case "AWS::Serverless::Api":
                return "api"
            case "AWS::DynamoDB::Table" | "AWS::Events::EventBus" | "AWS::Events::Rule":
                return f"{name}-{self.suffix}"
            case kind:
                raise LookupError(f"!Ref {name}: no {kind} here")

    def _value(self, value: Any) -> str:
        match value:
            case {"Ref": name}:
                return self.ref(name)
            case {"Fn::Sub": text}:
                return re.sub(r"\$\{([\w:]+)\}", lambda found: self.ref(found[1]), text)
            case str() | int():
                return str(value)
            case _:
                raise LookupError(f"cannot resolve {value}")

    def _make(self) -> None:
        self.client("dynamodb").create_table(**table_definition(self.ref("Leads")))
        for queue in resources("AWS::SQS::Queue"):
            self.client("sqs").create_queue(QueueName=f"{queue}-{self.suffix}")
        for topic in resources("AWS::SNS::Topic"):
            self.client("sns").create_topic(Name=f"{topic}-{self.suffix}")
        events = self.client("events")
        events.create_event_bus(Name=self.ref("Bus"))
        rule = resources("AWS::Events::Rule")[SUBMIT_RULE]["Properties"]
        name = {"Name": self.ref(SUBMIT_RULE), "EventBusName": self.ref("Bus")}
        events.put_rule(**name, EventPattern=json.dumps(rule["EventPattern"]))
        queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:SubmitLeadLeaderQueue-{self.suffix}"
        target = {"Id": "SubmitLeadLeaderQueue", "Arn": queue_arn}
        events.put_targets(Rule=name["Name"], EventBusName=name["EventBusName"], Targets=[target])


@dataclass(frozen=True)
class Backend:
    """An AWS of its own, and the partners' sandbox. `secrets` are the sandbox's, by partner."""

    cloud: Cloud
    partners: Remote
    secrets: dict[str, dict[str, Any]]

    @classmethod
    def made(
        cls, aws: Emulator, partners: Remote, secrets: dict[str, dict[str, Any]], configuration: str = "prod"
    ) -> Self:
        """An empty AWS with the partners' secrets. `configuration` is the parameter Environment of the template."""
        cloud = Cloud.made(aws, configuration)
        for name, value in {**stored_secrets(secrets), "index": {"key": INDEX_KEY}}.items():
            cloud.put_secret(name, value)
        return cls(cloud, partners, secrets)


@cache
def _client(aws: Emulator, service: str) -> Any:
    return aws.client(service)
