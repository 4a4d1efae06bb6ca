"""The test lead of a deployment: it goes through all handlers to its end, calls no partner, and leaves nothing."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from devstack.commands.api import Answer
from infra import deployment_probe
from infra.deployment_probe import ABANDONED_AFTER, LEAD, LEAD_ID, MAX_READS, OTHER_CHECK, PARTITION, DeploymentProbe
from leadbridge.domain.transitions import OVERDUE
from leadbridge.partners.http import Transport
from leadbridge.runtime import aws
from leadbridge.settings import self_check
from quality.testkit.aws.memory_stack import MemoryStack, memory_stack
from quality.testkit.template import resources

TEXT = "1D)Nte|^$:`" * 4
(SECRET,) = self_check.signing_secrets({"secret": TEXT})
QUEUES = ("SubmitLeadLeaderQueue", "SubmitMatchTradeQueue", "EventDeadLetterQueue")


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryStack]:
    def called(*_: object, **__: object) -> None:
        pytest.fail("a partner was called")

    monkeypatch.setattr(Transport, "call", called)
    monkeypatch.setattr(deployment_probe, "MAX_READS", 4)
    with memory_stack() as made:
        made.put_secret(self_check.SOURCE, {"secret": TEXT})
        yield made


@pytest.fixture
def probe(stack: MemoryStack) -> DeploymentProbe:
    def ask(method: str, url: str, *, headers: dict[str, str], body: bytes) -> Answer:
        assert url.endswith(f"/v1/webhooks/{self_check.SOURCE}")
        response = stack.ask(
            method,
            "/webhooks/{source}",
            body.decode(),
            headers=headers,
            pathParameters={"source": self_check.SOURCE},
        )
        return Answer(response["statusCode"], json.loads(response["body"]), response["headers"], 0.0)

    queues = {name: aws.sqs().get_queue_url(QueueName=name)["QueueUrl"] for name in QUEUES}
    return DeploymentProbe(
        "https://api.example.com/v1",
        SECRET,
        stack.ref("Leads"),
        aws.dynamodb(),
        aws.sqs(),
        queues,
        ask,
        sleep=lambda _: stack.carry(),
    )


def run(probe: DeploymentProbe) -> tuple[bool, str]:
    told: list[str] = []
    passes = probe.passes(told.append)
    (line,) = told
    return passes, line


def left(stack: MemoryStack) -> list[dict[str, Any]]:
    return list(aws.dynamodb().scan(TableName=stack.ref("Leads"))["Items"])


@pytest.mark.filterwarnings("ignore:No application metrics")  # of a sync without secrets
def test_the_lead_reaches_every_worker_and_nothing_of_it_remains(probe: DeploymentProbe, stack: MemoryStack) -> None:
    for _ in range(2):
        passes, line = run(probe)
        assert passes, line
        assert "from the gateway to the workers of broker-b, broker-c, leadleader, lender-b, matchtrade, and" in line
        assert left(stack) == []
    functions = {call.function for call in stack.calls}
    assert {"ReceiveLead", "PublishChanges", "SubmitLead"} <= functions
    stack.tick()
    assert LEAD_ID not in json.dumps(left(stack)), "no sweep, count or message comes of it"


def test_it_asks_no_secret_of_a_partner(probe: DeploymentProbe, stack: MemoryStack) -> None:
    assert run(probe)[0]
    asked = {call.parameters["SecretId"] for call in stack.calls if call.operation == "GetSecretValue"}
    assert asked == {"leadbridge/self-check", "leadbridge/index"}


def test_what_an_earlier_check_left_does_not_matter(probe: DeploymentProbe, stack: MemoryStack) -> None:
    assert probe._send() is None
    assert left(stack)
    assert run(replace(probe, now=lambda: time.time() + ABANDONED_AFTER + 1))[0]
    assert left(stack) == []


def test_what_a_check_left_that_died_this_moment_is_removed_after_a_time(
    probe: DeploymentProbe, stack: MemoryStack
) -> None:
    assert probe._send() is None
    slept, told = [0.0], list[str]()

    def sleep(seconds: float) -> None:
        slept[0] += seconds
        stack.carry()

    late = replace(probe, sleep=sleep, now=lambda: time.time() + slept[0])
    assert late.passes(told.append), told
    assert "another check" in told[0]
    assert slept[0] < ABANDONED_AFTER + 30
    assert left(stack) == []


@pytest.mark.parametrize("comes", ["while the first waits", "before the first posts"])
def test_a_second_check_does_not_disturb_the_first_and_says_that_another_one_runs(
    probe: DeploymentProbe, stack: MemoryStack, comes: str
) -> None:
    seconds = list[tuple[bool, list[str]]]()

    def second(check: DeploymentProbe) -> None:
        if not seconds:
            told = list[str]()
            seconds.append((False, told))
            seconds[0] = (check.passes(told.append), told)

    def waits(_: float) -> None:
        second(probe)
        stack.carry()

    def asks(*words: str, **request: Any) -> Answer:
        answer = probe.send(*words, **request)
        second(replace(probe, sleep=lambda _: None))
        return answer

    first = replace(probe, sleep=waits) if comes == "while the first waits" else replace(probe, send=asks)
    assert run(first)[0]
    [(passes, told)] = seconds
    assert not passes
    assert told[-1] == f"end to end: stopped {OTHER_CHECK}"
    assert left(stack) == []


def test_of_two_checks_that_post_at_once_the_second_leaves_the_lead_to_the_first(
    probe: DeploymentProbe, stack: MemoryStack
) -> None:
    """Both have looked at an empty table. The answer of the form's function shows which one came second."""

    def asks(*words: str, **request: Any) -> Answer:
        assert probe._send() is None  # the other one is first
        return probe.send(*words, **request)

    assert run(replace(probe, send=asks)) == (False, f"end to end: stopped {OTHER_CHECK}")
    assert left(stack), "the other one removes it"


@pytest.mark.parametrize("secret", ["B" * 48, "", "not base64"])
def test_who_does_not_know_the_secret_stores_nothing(probe: DeploymentProbe, stack: MemoryStack, secret: str) -> None:
    passes, line = run(replace(probe, secret=secret))
    assert (passes, line) == (False, "end to end: stopped at the gateway or the forms' function: 401 not-authentic")
    assert left(stack) == []


def test_a_forms_secret_proves_nothing_for_this_source(probe: DeploymentProbe, stack: MemoryStack) -> None:
    other = "C" * 48
    stack.put_secret("sources", {self_check.SOURCE: {"secrets": [other]}})
    assert "401 not-authentic" in run(replace(probe, secret=other))[1]


def test_a_gateway_that_does_not_answer_is_named(probe: DeploymentProbe) -> None:
    def no_one(*_: object, **__: object) -> Answer:
        raise urllib3.exceptions.NewConnectionError(None, "nobody listens")  # type: ignore[arg-type]

    assert run(replace(probe, send=no_one))[1] == ("end to end: stopped at the gateway: no answer (NewConnectionError)")


def test_a_secret_without_a_value_stops_it_at_the_forms_function(probe: DeploymentProbe, stack: MemoryStack) -> None:
    stack.put_secret(self_check.SOURCE, {})
    assert "503 not-ready" in run(probe)[1]


def test_a_partner_that_needs_more_than_the_lead_has_is_reported_by_its_fields(probe: DeploymentProbe) -> None:
    def refuses(*_: object, **__: object) -> Answer:
        return Answer(422, {"errors": [{"field": "person.age", "code": "missing"}]}, {}, 0.0)

    assert run(replace(probe, send=refuses))[1].endswith("it refuses the test lead for person.age")


def test_a_stream_that_stops_is_named(probe: DeploymentProbe, stack: MemoryStack) -> None:
    passes, line = run(replace(probe, sleep=lambda _: None))
    assert not passes
    partners = "broker-b, broker-c, leadleader, lender-b, matchtrade"
    assert f"no worker has processed it for {partners}. Stream, bus or rule: the queues are empty" in line
    assert left(stack) == [], "it is removed all the same"


def test_a_queue_without_a_consumer_is_named(probe: DeploymentProbe, stack: MemoryStack) -> None:
    def publish_only(_: float) -> None:
        stack._announce()

    line = run(replace(probe, sleep=publish_only))[1]
    assert "Queue or worker: SubmitLeadLeaderQueue holds 2, SubmitMatchTradeQueue holds 3" in line


def test_a_rule_that_cannot_deliver_is_named(probe: DeploymentProbe, stack: MemoryStack) -> None:
    url = probe.queues["EventDeadLetterQueue"]

    def fail(_: float) -> None:
        aws.sqs().send_message(QueueUrl=url, MessageBody="{}")

    assert "Stream or rule: EventDeadLetterQueue holds" in run(replace(probe, sleep=fail))[1]


def test_a_disabled_rule_is_distinguished_from_a_stopped_stream(probe: DeploymentProbe, stack: MemoryStack) -> None:
    rule: Any = {"Name": "SubmitMatchTradeRule", "EventBusName": stack.resolved({"Ref": "Bus"})}
    aws.eventbridge().disable_rule(**rule)
    aws.eventbridge().remove_targets(
        Rule=rule["Name"], EventBusName=rule["EventBusName"], Ids=["SubmitMatchTradeQueue"]
    )
    line = run(probe)[1]
    assert "no worker has processed it for broker-b, broker-c, matchtrade. Rule: the stream and the bus work" in line


def test_its_id_is_the_one_in_the_role_and_the_lead_is_not_a_persons() -> None:
    role = Path("infra/github-role.yaml").read_text(encoding="utf-8")
    assert f'"dynamodb:LeadingKeys": {PARTITION}}}' in role
    assert LEAD_ID.startswith("ld_")
    assert LEAD["person"]["email"].endswith("@example.com")


def test_the_stack_makes_its_secret_and_no_form_shares_it() -> None:
    made = resources("AWS::SecretsManager::Secret")["SelfCheckSecret"]["Properties"]
    assert made["Name"] == {"Fn::Sub": "${Prefix}/self-check"}
    drawn = made["GenerateSecretString"]
    assert (drawn["GenerateStringKey"], drawn["SecretStringTemplate"]) == ("secret", "{}")
    assert drawn["PasswordLength"] >= 32


def test_the_check_ends_before_the_sweep_would_send_the_lead_past_the_bus() -> None:
    assert OVERDUE.total_seconds() > 2 * MAX_READS * deployment_probe.PAUSE
