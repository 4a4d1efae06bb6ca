"""What every function, queue and alarm of the template must have, so that a new one cannot forget it."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from leadbridge.partners.graph import Graph
from leadbridge.partners.http import Transport
from leadbridge.partners.leadleader.client import LeadLeader
from leadbridge.partners.leeloo import Client, Leeloo
from leadbridge.partners.leeloo.messenger import LeelooMessenger
from leadbridge.partners.matchtrade.client import MatchTrade
from leadbridge.partners.public_http import MAX_SECONDS
from leadbridge.runtime.budget import RECORDING_RESERVE
from leadbridge.services.alerts.send_alert import LEASE, LEASE_WAIT, PAUSES
from leadbridge.services.sync_accounts import SECONDS_PER_BATCH
from leadbridge.settings import Settings
from leadbridge.settings.alerts import LONGEST
from quality.testkit.fakes.watched import LAYER, is_blamed, observed_partners, query_of, watched_by
from quality.testkit.template import ROOT, resources, role_statements, template
from tools.config import read_toml

FUNCTIONS = resources("AWS::Serverless::Function")
QUEUES = resources("AWS::SQS::Queue")
ALARMS = resources("AWS::CloudWatch::Alarm")
OF_ALERTS = {  # e-mailed directly
    "AlertDeadLetterQueueAlarm",
    "AlertQueueAgeAlarm",
    "AlertErrorsEmailAlarm",
    "AlertFaultsEmailAlarm",
}
SILENT = {name for name, alarm in ALARMS.items() if alarm.get("Condition") == "IsGradual"}  # of one version each
NO_SECRET: Any = None  # nothing is called here
WITHOUT_A_RESOURCE = {"xray:PutTraceSegments", "xray:PutTelemetryRecords", "dynamodb:ListStreams"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_names_its_own_resources_and_actions(function: str) -> None:
    for statement in role_statements(function):
        actions = listed(statement["Action"])
        assert not [action for action in actions if "*" in action]
        if "*" in listed(statement["Resource"]):
            assert set(actions) <= WITHOUT_A_RESOURCE


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_its_own_role_logs_timeout_and_name(function: str) -> None:
    properties = FUNCTIONS[function]["Properties"]
    assert properties["Role"] == {"Fn::GetAtt": [f"{function}Role", "Arn"]}
    assert properties["LoggingConfig"] == {"LogGroup": {"Ref": f"{function}Logs"}}
    logs = template()["Resources"][f"{function}Logs"]["Properties"]
    assert {"RetentionInDays", "KmsKeyId"} <= set(logs)
    assert properties["Timeout"] <= 240
    flow = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", function).lower()
    assert properties["Environment"]["Variables"]["LEADBRIDGE_FLOW"] == flow
    assert (ROOT / "functions" / flow / "app.py").exists()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_calls_a_function_has_somewhere_to_put_a_failure(function: str) -> None:
    properties = FUNCTIONS[function]["Properties"]
    for event in properties.get("Events", {}).values():
        match event["Type"]:
            case "SQS":
                queue = QUEUES[event["Properties"]["Queue"]["Fn::GetAtt"][0]]["Properties"]
                assert "RedrivePolicy" in queue or is_of_ticks(queue, properties)
                assert queue["VisibilityTimeout"] == 6 * properties["Timeout"]
                assert event["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            case "DynamoDB":
                assert "OnFailure" in event["Properties"]["DestinationConfig"]
            case "ScheduleV2":
                assert "OnFailure" in properties["EventInvokeConfig"]["DestinationConfig"]
            case kind:
                assert kind == "Api"


def is_of_ticks(queue: dict[str, Any], function: dict[str, Any]) -> bool:
    """Whether the messages are ticks of the function's own schedule, of which the next one replaces the last."""
    rates = [one["Properties"].get("ScheduleExpression") for one in function["Events"].values()]
    is_replaced = f"rate({queue['MessageRetentionPeriod'] // 60} minutes)" in rates
    return is_replaced and queue["MessageRetentionPeriod"] > function["Timeout"]


def test_every_dead_letter_queue_triggers_an_alarm() -> None:
    alarms = json.dumps(ALARMS)
    for name, queue in QUEUES.items():
        assert "KmsMasterKeyId" in queue["Properties"]
        if "DeadLetter" in name:
            assert json.dumps({"Fn::GetAtt": [name, "QueueName"]}) in alarms, name


def test_every_alarm_names_a_section_of_the_runbook_with_symptom_impact_check_and_fix() -> None:
    _, *texts = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8").split("\n## ")
    sections = {heading.lower().replace(" ", "-"): text for heading, _, text in (one.partition("\n") for one in texts)}
    for name, alarm in ALARMS.items():
        properties = alarm["Properties"]
        topic = "AlarmEmails" if name in OF_ALERTS else "Alarms"
        assert properties.get("AlarmActions", []) == ([] if name in SILENT else [{"Ref": topic}]), name
        has_recovery = name not in SILENT | OF_ALERTS
        assert properties.get("OKActions", []) == ([{"Ref": "Alarms"}] if has_recovery else []), name
        anchor = re.search(r"docs/runbook\.md#([a-z-]+)$", properties["AlarmDescription"])
        assert anchor is not None, name
        parts = re.findall(r"^\*\*(\w+)\.\*\*", sections[anchor[1]], re.MULTILINE)
        assert parts == ["Symptom", "Impact", "Check", "Fix"], name


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_metric_that_an_alarm_watches_is_made_somewhere(alarm: str) -> None:
    for metric in watched_by(ALARMS[alarm]):
        assert metric.is_made, metric
        assert metric.resources <= template()["Resources"].keys()


@pytest.mark.parametrize("alarm", ALARMS)
def test_an_alarms_expression_names_what_the_alarm_watches_and_gives_one_line(alarm: str) -> None:
    queries = ALARMS[alarm]["Properties"].get("Metrics", [])
    if [query_of(one) for one in queries if query_of(one)]:
        assert len(queries) == 1
        return
    lines = [one for one in queries if one.get("ReturnData", True)]
    watched = {one["Id"] for one in queries if "MetricStat" in one}
    assert len(lines) == bool(queries)
    for line in lines:
        assert set(re.findall(r"\b[a-z]\w*", line["Expression"])) == watched


def test_only_alarms_that_the_emulator_cannot_have_are_left_out_there() -> None:
    conditions = {alarm.get("Condition") for alarm in ALARMS.values() if "Metrics" in alarm["Properties"]}
    others = {
        ALARMS[name].get("Condition") for name in ALARMS.keys() - SILENT if "Metrics" not in ALARMS[name]["Properties"]
    }
    assert (conditions, others) == ({"HasMetricMath"}, {None})


def test_every_function_that_fails_triggers_an_alarm() -> None:
    ringing = {
        name
        for alarm in ALARMS.keys() - SILENT
        for metric in watched_by(ALARMS[alarm])
        if metric.name == "Errors"
        for name in metric.resources
    }
    assert ringing == FUNCTIONS.keys()


def test_every_version_fault_triggers_an_alarm() -> None:
    faults = {"MessagesFailed", "ReceptionErrors"}
    watched = {metric for alarm in ALARMS.keys() - SILENT for metric in watched_by(ALARMS[alarm])}
    ringing = {dict(metric.dimensions)["service"] for metric in watched if metric.name in faults}
    assert ringing == {
        path.parent.name for path in (ROOT / "functions").glob("*/app.py") if is_blamed(path.parent.name)
    }


def test_every_partner_that_fails_triggers_an_alarm() -> None:
    wired = {path.parent.name for path in (LAYER / "partners").glob("*/wiring.py")} - {"feedback"}  # not of partners
    assert observed_partners() == wired | set(read_toml(ROOT / "config", "prod")["partners"])
    watched = {metric for alarm in ALARMS.values() for metric in watched_by(alarm) if metric.name == "PartnerErrors"}
    assert {partner for metric in watched for _, partner in metric.dimensions} == observed_partners()


def test_what_holds_people_is_kept_encrypted_and_outlives_the_stack() -> None:
    table = template()["Resources"]["Leads"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert table["Properties"]["SSESpecification"]["SSEType"] == "KMS"
    for secret in resources("AWS::SecretsManager::Secret").values():
        assert secret["DeletionPolicy"] == "RetainExceptOnCreate"
        assert "KmsKeyId" in secret["Properties"]


def test_operators_routes_are_behind_the_authorizer_and_no_others_are_open_by_oversight() -> None:
    open_routes = set()
    for function in FUNCTIONS.values():
        for event in function["Properties"].get("Events", {}).values():
            if event["Type"] == "Api" and event["Properties"].get("Auth") != {"Authorizer": "Operator"}:
                open_routes.add(f"{event['Properties']['Method']} {event['Properties']['Path']}")
    assert open_routes == {
        "POST /webhooks/{source}",
        "GET /webhooks/{source}",
        "OPTIONS /webhooks/{source}",
        "GET /health",
        "POST /partners/leeloo/{token}",
        "GET /console",
        "GET /console/{file}",
    }


def test_a_wrong_token_gets_the_same_answer_as_none() -> None:
    answers = template()["Resources"]["Api"]["Properties"]["GatewayResponses"]
    assert answers["ACCESS_DENIED"] == answers["UNAUTHORIZED"]
    assert answers["ACCESS_DENIED"]["StatusCode"] == 401


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_function_has_time_for_the_longest_work_it_begins(environment: str) -> None:
    settings = Settings.model_validate(read_toml(ROOT / "config", environment))

    def timeout(function: str) -> float:
        records = function in {"SubmitLead", "SendMessage", "SendFeedback"}  # the answer of a partner
        return float(FUNCTIONS[function]["Properties"]["Timeout"]) - (RECORDING_RESERVE if records else 3.0)

    lender = LeadLeader(
        Transport("leadleader", settings.partners["leadleader"].timeouts), NO_SECRET, status_method="GET"
    )
    assert lender.seconds_per_submission < timeout("SubmitLead")
    assert lender.seconds_per_check < timeout("CheckStatus")
    broker = MatchTrade(Transport("matchtrade", settings.partners["matchtrade"].timeouts), NO_SECRET)
    assert broker.seconds_per_page + broker.seconds_per_submission < timeout("SubmitLead")
    assert broker.seconds_per_page < timeout("CheckStatus")
    assert 2 * (broker.seconds_per_page + SECONDS_PER_BATCH) < timeout("SyncAccounts") / 2  # a pass gets half at least
    messages = settings.messages
    messenger = LeelooMessenger(Leeloo(Client(Transport("leeloo", messages.timeouts), NO_SECRET)), messages.channel)
    assert messenger.seconds_per_message < timeout("SendMessage")
    assert timeout("SendFeedback") > MAX_SECONDS
    for source in settings.sources.values():
        if source.fetch is not None:
            assert Graph(Transport("graph", source.fetch.timeouts), NO_SECRET).seconds_per_fetch < timeout("FetchLead")


def test_an_alarm_passes_by_a_queue_to_send_alert_and_its_own_alarms_do_not() -> None:
    resources = template()["Resources"]
    assert resources["AlarmsToQueue"]["Properties"] == {
        "TopicArn": {"Ref": "Alarms"},
        "Protocol": "sqs",
        "Endpoint": {"Fn::GetAtt": ["AlertQueue", "Arn"]},
    }
    assert resources["AlarmsByEmail"]["Properties"]["TopicArn"] == {"Ref": "AlarmEmails"}
    subscribed = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::SNS::Subscription"]
    assert [one["Protocol"] for one in subscribed if one["TopicArn"] == {"Ref": "Alarms"}] == ["sqs"]
    watched = {ALARMS[name]["Properties"]["MetricName"] for name in OF_ALERTS}
    assert watched == {
        "ApproximateNumberOfMessagesVisible",
        "ApproximateAgeOfOldestMessage",
        "Errors",
        "MessagesFailed",
    }


def test_the_queue_of_alerts_accepts_the_topic_only_and_sns_may_use_its_key() -> None:
    resources = template()["Resources"]
    (statement,) = resources["AlertQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": ["AlertQueue", "Arn"]},
        "Condition": {"ArnEquals": {"aws:SourceArn": {"Ref": "Alarms"}}},
    }
    assert resources["AlertQueue"]["Properties"]["KmsMasterKeyId"] == {"Ref": "Key"}
    allowed = [
        one
        for one in resources["Key"]["Properties"]["KeyPolicy"]["Statement"]
        if one["Principal"] == {"Service": "sns.amazonaws.com"}
    ]
    assert [set(one["Action"]) for one in allowed] == [{"kms:Decrypt", "kms:GenerateDataKey*"}]
    for topic in ("Alarms", "AlarmEmails"):
        assert resources[topic]["Properties"]["KmsMasterKeyId"] == {"Ref": "Key"}


def test_an_alert_has_enough_attempts_until_it_is_e_mailed() -> None:
    """Each pause returns the message to the queue; so does another worker's lease, while it lasts."""
    queue = template()["Resources"]["AlertQueue"]["Properties"]
    longest, pauses = LONGEST, 0
    while longest > timedelta():
        longest -= PAUSES[min(pauses, len(PAUSES) - 1)]
        pauses += 1
    leases = 2 * LEASE / LEASE_WAIT
    assert queue["RedrivePolicy"]["maxReceiveCount"] > pauses + leases
    assert ALARMS["AlertQueueAgeAlarm"]["Properties"]["Threshold"] >= 2 * LONGEST.total_seconds()
