"""The test lead of a deployment: it goes through all handlers to its end, calls no partner, and leaves nothing."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import urllib3

from infra import road as roads
from infra.asking import Answer, Question
from infra.road import ABANDONED_AFTER, ANOTHER_CHECK, LEAD, LEAD_ID, PARTITION, TURNS, Road
from leadbridge.domain.transitions import OVERDUE
from leadbridge.partners.http import Transport
from leadbridge.runtime import aws
from leadbridge.settings import self_check
from quality.testkit.aws.moto_stack import MotoStack, moto_stack
from quality.testkit.template import resources

TEXT = "1D)Nte|^$:`" * 4
(SECRET,) = self_check.signing_secrets({"secret": TEXT})
QUEUES = ("SubmitLeadLeaderQueue", "SubmitMatchTradeQueue", "EventDeadLetterQueue")


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MotoStack]:
    def called(*_: object, **__: object) -> None:
        pytest.fail("a partner was called")

    monkeypatch.setattr(Transport, "call", called)
    monkeypatch.setattr(roads, "TURNS", 4)
    with moto_stack(tmp_path) as made:
        made.put_secret(self_check.SOURCE, {"secret": TEXT})
        yield made


@pytest.fixture
def road(stack: MotoStack) -> Road:
    def ask(_url: str, question: Question) -> Answer:
        assert question.path == f"/webhooks/{self_check.SOURCE}"
        response = stack.ask(
            question.method,
            "/webhooks/{source}",
            (question.body or b"").decode(),
            headers=dict(question.headers),
            pathParameters={"source": self_check.SOURCE},
        )
        return Answer(response["statusCode"], response["headers"]["Content-Type"], json.loads(response["body"]))

    queues = {name: aws.sqs().get_queue_url(QueueName=name)["QueueUrl"] for name in QUEUES}
    return Road(
        "https://api.example.com/v1",
        SECRET,
        stack.ref("Leads"),
        aws.dynamodb(),
        ask,
        aws.sqs(),
        queues,
        sleep=lambda _: stack.carry(),
    )


def walked(road: Road) -> tuple[bool, str]:
    told: list[str] = []
    is_whole = road.is_whole(told.append)
    (line,) = told
    return is_whole, line


def left(stack: MotoStack) -> list[dict[str, Any]]:
    return list(aws.dynamodb().scan(TableName=stack.ref("Leads"))["Items"])


def test_the_lead_reaches_every_worker_and_nothing_of_it_is_left(road: Road, stack: MotoStack) -> None:
    for _ in range(2):
        is_whole, line = walked(road)
        assert is_whole, line
        assert "from the gateway to the workers" in line
        assert left(stack) == []
    functions = {call.function for call in stack.calls}
    assert {"ReceiveLead", "PublishChanges", "SubmitLead"} <= functions
    stack.tick()
    assert LEAD_ID not in json.dumps(left(stack)), "no sweep, count or message comes of it"


def test_it_asks_no_secret_of_a_partner(road: Road, stack: MotoStack) -> None:
    assert walked(road)[0]
    asked = {call.parameters["SecretId"] for call in stack.calls if call.operation == "GetSecretValue"}
    assert asked == {"leadbridge/self-check", "leadbridge/index"}


def test_what_an_earlier_check_left_does_not_matter(road: Road, stack: MotoStack) -> None:
    assert road._send() is None
    assert left(stack)
    assert walked(replace(road, now=lambda: time.time() + ABANDONED_AFTER + 1))[0]
    assert left(stack) == []


def test_what_a_check_left_that_died_this_moment_is_removed_after_a_time(road: Road, stack: MotoStack) -> None:
    assert road._send() is None
    slept, told = [0.0], list[str]()

    def sleep(seconds: float) -> None:
        slept[0] += seconds
        stack.carry()

    late = replace(road, sleep=sleep, now=lambda: time.time() + slept[0])
    assert late.is_whole(told.append), told
    assert "another check" in told[0]
    assert slept[0] < ABANDONED_AFTER + 30
    assert left(stack) == []


@pytest.mark.parametrize("comes", ["while the first waits", "before the first posts"])
def test_a_second_check_does_not_disturb_the_first_and_says_that_another_one_runs(
    road: Road, stack: MotoStack, comes: str
) -> None:
    seconds = list[tuple[bool, list[str]]]()

    def second(check: Road) -> None:
        if not seconds:
            told = list[str]()
            seconds.append((False, told))
            seconds[0] = (check.is_whole(told.append), told)

    def waits(_: float) -> None:
        second(road)
        stack.carry()

    def asks(url: str, question: Question) -> Answer:
        answer = road.ask(url, question)
        second(replace(road, sleep=lambda _: None))
        return answer

    first = replace(road, sleep=waits) if comes == "while the first waits" else replace(road, ask=asks)
    assert walked(first)[0]
    [(is_whole, told)] = seconds
    assert not is_whole
    assert told[-1] == f"the whole road: stopped {ANOTHER_CHECK}"
    assert left(stack) == []


def test_of_two_checks_that_post_at_once_the_second_leaves_the_lead_to_the_first(road: Road, stack: MotoStack) -> None:
    """Both have looked at an empty table. The answer of the form's function shows which one came second."""

    def asks(url: str, question: Question) -> Answer:
        assert road._send() is None  # the other one is first
        return road.ask(url, question)

    assert walked(replace(road, ask=asks)) == (False, f"the whole road: stopped {ANOTHER_CHECK}")
    assert left(stack), "the other one removes it"


@pytest.mark.parametrize("secret", ["B" * 48, "", "not base64"])
def test_who_does_not_know_the_secret_stores_nothing(road: Road, stack: MotoStack, secret: str) -> None:
    is_whole, line = walked(replace(road, secret=secret))
    assert (is_whole, line) == (False, "the whole road: stopped at the gateway or the forms' function: 401 bad-proof")
    assert left(stack) == []


def test_a_forms_secret_proves_nothing_for_this_source(road: Road, stack: MotoStack) -> None:
    other = "C" * 48
    stack.put_secret("sources", {self_check.SOURCE: {"secrets": [other]}})
    assert "401 bad-proof" in walked(replace(road, secret=other))[1]


def test_a_gateway_that_does_not_answer_is_named(road: Road) -> None:
    def nobody(_url: str, _question: Question) -> Answer:
        raise urllib3.exceptions.NewConnectionError(None, "nobody listens")  # type: ignore[arg-type]

    assert walked(replace(road, ask=nobody))[1] == (
        "the whole road: stopped at the gateway: no answer (NewConnectionError)"
    )


def test_a_secret_without_a_value_stops_it_at_the_forms_function(road: Road, stack: MotoStack) -> None:
    stack.put_secret(self_check.SOURCE, {})
    assert "503 not-ready" in walked(road)[1]


def test_a_partner_that_needs_more_than_the_lead_has_is_told_by_its_fields(road: Road) -> None:
    def refuses(_url: str, _question: Question) -> Answer:
        return Answer(422, "application/problem+json", {"errors": [{"field": "person.age", "code": "missing"}]})

    assert walked(replace(road, ask=refuses))[1].endswith("it refuses the test lead for person.age")


def test_a_stream_that_stands_still_is_named(road: Road, stack: MotoStack) -> None:
    is_whole, line = walked(replace(road, sleep=lambda _: None))
    assert not is_whole
    assert "no worker has taken it for leadleader, matchtrade. Stream, bus or rule: the queues are empty" in line
    assert left(stack) == [], "it is removed all the same"


def test_a_queue_that_nobody_works_off_is_named(road: Road, stack: MotoStack) -> None:
    def publish_only(_: float) -> None:
        stack._announce()

    line = walked(replace(road, sleep=publish_only))[1]
    assert "Queue or worker: SubmitLeadLeaderQueue holds 1, SubmitMatchTradeQueue holds 1" in line


def test_a_rule_that_cannot_deliver_is_named(road: Road, stack: MotoStack) -> None:
    url = road.queues["EventDeadLetterQueue"]

    def fail(_: float) -> None:
        aws.sqs().send_message(QueueUrl=url, MessageBody="{}")

    assert "Stream or rule: EventDeadLetterQueue holds" in walked(replace(road, sleep=fail))[1]


def test_a_rule_that_is_off_is_told_from_a_stream_that_stands_still(road: Road, stack: MotoStack) -> None:
    rule: Any = {"Name": "SubmitMatchTradeRule", "EventBusName": stack.resolved({"Ref": "Bus"})}
    aws.eventbridge().disable_rule(**rule)
    aws.eventbridge().remove_targets(
        Rule=rule["Name"], EventBusName=rule["EventBusName"], Ids=["SubmitMatchTradeQueue"]
    )
    line = walked(road)[1]
    assert "no worker has taken it for matchtrade. Rule: the stream and the bus work" in line


def test_its_id_is_the_one_that_the_role_names_and_the_lead_is_nobodys() -> None:
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
    assert OVERDUE.total_seconds() > 2 * TURNS * roads.PAUSE
