"""Who may do what, in the template as CloudFormation gets it: rules that every new resource has to obey."""

import json
import re
from typing import Any

import pytest

from quality.testkit.aws.permissions import FUNCTIONS, listed
from quality.testkit.fakes.processed import of_type, processed
from quality.testkit.wiring import routes, schedules

ENCRYPTED_BY = {
    "AWS::DynamoDB::Table": lambda properties: properties["SSESpecification"]["KMSMasterKeyId"],
    "AWS::Logs::LogGroup": lambda properties: properties["KmsKeyId"],
    "AWS::SecretsManager::Secret": lambda properties: properties["KmsKeyId"],
    "AWS::SNS::Topic": lambda properties: properties["KmsMasterKeyId"],
    "AWS::SQS::Queue": lambda properties: properties["KmsMasterKeyId"],
}
KEY = ({"Ref": "Key"}, {"Fn::GetAtt": ["Key", "Arn"]})
ACCOUNT_ITSELF = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"


def statements(document: dict[str, Any]) -> list[dict[str, Any]]:
    return list(document["Statement"])


def trusted(role: str) -> Any:
    ((statement),) = statements(of_type("AWS::IAM::Role")[role]["AssumeRolePolicyDocument"])
    return listed(statement["Principal"]["Service"])


def called(reference: dict[str, Any]) -> str:
    """The function that a reference means, its alias or itself."""
    name = reference["Ref"] if "Ref" in reference else reference["Fn::GetAtt"][0]
    alias = of_type("AWS::Lambda::Alias").get(name)
    return str(name) if alias is None else called(alias["FunctionName"])


def test_there_is_a_role_for_each_function_and_each_schedule_and_no_other() -> None:
    functions = {f"{function}Role" for function in FUNCTIONS}
    assert set(of_type("AWS::IAM::Role")) == functions | set(schedules())
    assert {service for role in functions for service in trusted(role)} == {"lambda.amazonaws.com"}
    assert {service for role in schedules() for service in trusted(role)} == {"scheduler.amazonaws.com"}
    for name, policy in of_type("AWS::IAM::Policy").items():
        assert policy["Roles"] == [{"Ref": name.removesuffix("Policy") + "Role"}]
        assert policy.keys() == {"PolicyName", "PolicyDocument", "Roles"}
    for kind in ("ManagedPolicy", "User", "Group"):
        assert not of_type(f"AWS::IAM::{kind}")


@pytest.mark.parametrize(("role", "function"), schedules().items())
def test_a_schedule_may_call_its_function_and_nothing_else(role: str, function: str) -> None:
    ((policy),) = of_type("AWS::IAM::Role")[role]["Policies"]
    ((statement),) = statements(policy["PolicyDocument"])
    assert listed(statement["Action"]) == ["lambda:InvokeFunction"]
    assert called(statement["Resource"]) == function


def test_only_this_api_calls_functions_on_their_own_routes() -> None:
    allowed = set()
    for permission in of_type("AWS::Lambda::Permission").values():
        assert permission["Action"] == "lambda:InvokeFunction"
        assert permission["Principal"] == "apigateway.amazonaws.com"
        text, names = permission["SourceArn"]["Fn::Sub"]
        assert names["__ApiId__"] == {"Ref": "Api"}
        allowed.add(
            (called(permission["FunctionName"]), text.partition("${__ApiId__}/")[2].removeprefix("${__Stage__}/"))
        )
    wanted = {
        (function, f"{method}{re.sub(r'{[a-z_]+}', '*', path)}") for (method, path), (function, _) in routes().items()
    }
    assert allowed == wanted | {("Authorize", "authorizers/*")}


def test_a_queue_takes_messages_of_its_own_rules_and_of_no_other_service() -> None:
    rules = of_type("AWS::Events::Rule")
    for policy in of_type("AWS::SQS::QueuePolicy").values():
        ((statement),) = statements(policy["PolicyDocument"])
        (queue,) = [one["Ref"] for one in policy["Queues"]]
        assert (statement["Effect"], listed(statement["Action"])) == ("Allow", ["sqs:SendMessage"])
        assert statement["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}
        if queue == "AlertQueue":  # test_template.py reads it
            assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
            continue
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        named = {arn["Fn::GetAtt"][0] for arn in listed(statement["Condition"]["ArnEquals"]["aws:SourceArn"])}
        assert named == {name for name, rule in rules.items() if queue in json.dumps(rule["Targets"])}


def key_statements() -> dict[str, dict[str, Any]]:
    """The statements of the key's policy that are about services, by service."""
    account, *services = statements(of_type("AWS::KMS::Key")["Key"]["KeyPolicy"])
    assert account["Principal"] == {"AWS": {"Fn::Sub": ACCOUNT_ITSELF}}
    return {json.dumps(one["Principal"]["Service"]).strip('"'): one for one in services}


def test_the_key_is_administered_by_the_account_and_used_by_one_service_a_statement() -> None:
    assert of_type("AWS::KMS::Key")["Key"]["EnableKeyRotation"] is True
    found = key_statements()
    logs = '{"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}'
    assert found.keys() == {"events.amazonaws.com", "cloudwatch.amazonaws.com", "sns.amazonaws.com", logs}
    context = found[logs]["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    assert "AWS::AccountId" in json.dumps(context)


def test_only_topics_of_the_account_use_the_key_for_their_queue() -> None:
    (condition,) = key_statements()["sns.amazonaws.com"]["Condition"].values()
    arn = condition["aws:SourceArn"]["Fn::Sub"]
    assert arn == "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:*"


@pytest.mark.parametrize("service", ["events.amazonaws.com", "cloudwatch.amazonaws.com"])
def test_the_key_sets_no_condition_where_aws_documents_none(service: str) -> None:
    statement = key_statements()[service]
    assert "Condition" not in statement, "with aws:SourceAccount no event reaches an encrypted queue"
    assert {"kms:Decrypt", "kms:GenerateDataKey"} <= {action.removesuffix("*") for action in statement["Action"]}
    assert not [action for action in statement["Action"] if action in {"kms:*", "*"}]


def test_undelivered_and_lost_events_trigger_an_alarm() -> None:
    rules = of_type("AWS::Events::Rule")
    watched: dict[str, set[tuple[str, str]]] = {}
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        for query in alarm.get("Metrics", []):
            metric = query.get("MetricStat", {}).get("Metric", {})
            if metric.get("Namespace") == "AWS/Events":
                named = {one["Name"]: json.dumps(one["Value"]) for one in metric["Dimensions"]}
                watched.setdefault(metric["MetricName"], set()).add((named["EventBusName"], named["RuleName"]))
    wanted = {(json.dumps(rule["EventBusName"]), json.dumps(rule["Name"])) for rule in rules.values()}
    assert len(wanted) == len(rules)
    assert watched == dict.fromkeys(("FailedInvocations", "InvocationsFailedToBeSentToDlq"), wanted)


@pytest.mark.parametrize("kind", ENCRYPTED_BY)
def test_all_that_keeps_anything_keeps_it_under_the_stacks_own_key(kind: str) -> None:
    found = of_type(kind)
    assert found
    for name, properties in found.items():
        assert ENCRYPTED_BY[kind](properties) in KEY, name


def test_every_log_group_forgets_and_every_function_writes_to_one_of_them() -> None:
    groups = of_type("AWS::Logs::LogGroup")
    for group in groups.values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    for function in of_type("AWS::Lambda::Function").values():
        assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_no_principal_is_a_wildcard() -> None:
    for name, resource in processed().items():
        assert '"Principal": "*"' not in json.dumps(resource), name
        assert '"AWS": "*"' not in json.dumps(resource), name


def test_no_function_has_a_secret_in_its_environment_or_a_url() -> None:
    assert not of_type("AWS::Lambda::Url")
    for function in of_type("AWS::Lambda::Function").values():
        names = function["Environment"]["Variables"]
        assert not [name for name in names if re.search("TOKEN|PASSWORD|SECRET(?!S_PREFIX)|KEY", name)]


def test_the_gateway_limits_every_route_and_logs_neither_addresses_nor_people() -> None:
    ((stage),) = of_type("AWS::ApiGateway::Stage").values()
    ((settings),) = stage["MethodSettings"]
    assert (settings["ResourcePath"], settings["HttpMethod"]) == ("/*", "*")
    assert settings["ThrottlingRateLimit"] == {"Ref": "ThrottleRate"}
    assert settings["ThrottlingBurstLimit"] == {"Ref": "ThrottleBurst"}
    assert "DataTraceEnabled" not in settings  # would log bodies
    assert stage["TracingEnabled"] is False
    logged = set(re.findall(r"\$context\.([A-Za-z.]+)", stage["AccessLogSetting"]["Format"]))
    assert logged == {"requestId", "httpMethod", "resourcePath", "status", "responseLatency", "authorizer.operator"}


def test_the_firewall_is_off_by_default_and_logs_no_addresses() -> None:
    for name in ("Firewall", "FirewallOfTheApi"):
        assert processed()[name]["Condition"] == "HasFirewall"
    firewall = of_type("AWS::WAFv2::WebACL")["Firewall"]
    ((rule),) = firewall["Rules"]
    statement = rule["Statement"]["RateBasedStatement"]
    assert (statement["AggregateKeyType"], statement["Limit"]) == ("IP", {"Ref": "FirewallLimit"})
    for view in (firewall["VisibilityConfig"], rule["VisibilityConfig"]):
        assert view["SampledRequestsEnabled"] is False
    association = of_type("AWS::WAFv2::WebACLAssociation")["FirewallOfTheApi"]
    assert association["WebACLArn"] == {"Fn::GetAtt": ["Firewall", "Arn"]}
    assert not of_type("AWS::WAFv2::LoggingConfiguration")
