"""Deploying from GitHub: the roles suffice for what the template has, not for what docs/security.md rules out."""

from typing import Any

import pytest

from infra.deployment_probe import PARTITION
from quality.testkit.aws.cloudformation_calls import ANY, ASKED, KEY, calls
from quality.testkit.aws.github_role import (
    ACCOUNT,
    BOUNDARY,
    GIVEN,
    IAM,
    MADE,
    REGION,
    Call,
    denied,
    may,
    named,
    properties,
    size,
    statements,
    text,
)
from quality.testkit.aws.permissions import listed
from quality.testkit.fakes.processed import processed
from quality.testkit.template import template

MADE_BY_IT = processed(GradualDeployment="true")
ROLES = {name: found["Properties"] for name, found in MADE_BY_IT.items() if found["Type"] == "AWS::IAM::Role"}
OURS = [MADE["Builder.Arn"], MADE["Deployer.Arn"], BOUNDARY]
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{named('Leads')}"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:leadbridge/index-AbCdEf"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{named('SubmitLeadLeaderQueue')}"
STACK = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/leadbridge/11111111-2222-3333-4444-555555555555"
ROLE = f"{IAM}:role/leadbridge-SubmitLeadRole-1X2Y3Z"
READS_LEADS = [
    "BatchGetItem",
    "ExportTableToPointInTime",
    "GetItem",
    "GetRecords",
    "PartiQLSelect",
    "Query",
    "RestoreTableFromBackup",
    "RestoreTableToPointInTime",
    "Scan",
]
LETS_OTHERS_READ = ["CreateTableReplica", "EnableKinesisStreamingDestination", "PutResourcePolicy"]
DELETES_LEADS = ["BatchWriteItem", "DeleteBackup", "DeleteItem", "DeleteTable", "PartiQLDelete", "UpdateItem"]
OPENS_A_SECRET = ["BatchGetSecretValue", "GetSecretValue", "PutResourcePolicy", "PutSecretValue", "UpdateSecret"]
SPOILS_THE_KEY = ["DeleteImportedKeyMaterial", "DisableKey", "PutKeyPolicy", "RetireGrant", "ScheduleKeyDeletion"]
CHANGES_A_ROLE = [
    "AttachRolePolicy",
    "CreatePolicyVersion",
    "DeletePolicy",
    "DeletePolicyVersion",
    "DeleteRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
    "SetDefaultPolicyVersion",
    "TagRole",
    "UpdateAssumeRolePolicy",
    "UpdateRole",
]
USES_THE_KEY = ["CreateGrant", "Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom"]


def on(resource: str, service: str, actions: list[str]) -> list[Call]:
    """The same resource, each action."""
    return [Call(f"{service}:{action}", resource) for action in actions]


FORBIDDEN = [
    *on(TABLE, "dynamodb", [*READS_LEADS, *LETS_OTHERS_READ, *DELETES_LEADS]),
    *on(f"{TABLE}/index/listing", "dynamodb", READS_LEADS),
    *on(f"{TABLE}/stream/2026-11-23T05:00:00.000", "dynamodb", READS_LEADS),
    *on(SECRET, "secretsmanager", OPENS_A_SECRET),
    *on(KEY, "kms", [*SPOILS_THE_KEY, *USES_THE_KEY]),
]


def test_every_type_of_the_template_has_its_calls_and_no_other() -> None:
    assert {resource["Type"] for resource in MADE_BY_IT.values()} == ASKED.keys()


@pytest.mark.parametrize("kind", sorted(ASKED))
def test_cloudformation_may_make_change_and_delete_what_the_template_has(kind: str) -> None:
    found = {name: one["Properties"] for name, one in MADE_BY_IT.items() if one["Type"] == kind}
    assert found
    for name, one in found.items():
        assert denied("Builder", calls(name, kind, one)) == [], name


def test_what_the_template_keeps_is_never_deleted_by_a_failed_deployment_that_may_not_delete_it() -> None:
    for name, delete in (("Leads", Call("dynamodb:DeleteTable", TABLE)), ("Key", Call("kms:ScheduleKeyDeletion", KEY))):
        assert not may("Builder", delete)
        assert {MADE_BY_IT[name][policy] for policy in ("DeletionPolicy", "UpdateReplacePolicy")} == {"Retain"}


def test_the_key_can_be_made_by_a_role_that_may_not_change_its_policy() -> None:
    made = MADE_BY_IT["Key"]["Properties"]
    assert may("Builder", Call("kms:CreateKey", ANY))
    assert made.get("BypassPolicyLockoutSafetyCheck") or may("Builder", Call("kms:PutKeyPolicy", KEY))
    (administers,) = [one for one in made["KeyPolicy"]["Statement"] if "kms:*" in one["Action"]]
    assert administers["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}


@pytest.mark.parametrize("role", ["Builder", "Deployer"])
@pytest.mark.parametrize("call", FORBIDDEN, ids=lambda call: f"{call.action}-{call.resource.rpartition(':')[2]}")
def test_neither_role_reads_or_deletes_leads_or_opens_a_secret_or_touches_the_key(role: str, call: Call) -> None:
    assert not may(role, call)


@pytest.mark.parametrize("role", ["Builder", "Deployer"])
@pytest.mark.parametrize("target", OURS)
def test_neither_role_changes_the_roles_or_the_boundary(role: str, target: str) -> None:
    for action in CHANGES_A_ROLE:
        assert not may(role, Call(f"iam:{action}", target, {"iam:PermissionsBoundary": BOUNDARY})), action


def test_the_roles_stand_where_no_name_of_the_application_leads() -> None:
    for name in ("Builder", "Deployer", "Boundary"):
        assert properties(name)["Path"] == "/github/"
    ours = [one for one in statements("Builder") if one["Effect"] == "Deny" and one["Action"] == ["iam:*"]]
    assert [one["Resource"] for one in ours] == [[f"{IAM}:role/github/*", f"{IAM}:policy/github/*"]]


@pytest.mark.parametrize("told", [{}, {"iam:PermissionsBoundary": f"{IAM}:policy/leadbridge-of-my-own"}])
def test_a_role_gets_a_policy_only_within_the_boundary(told: dict[str, str]) -> None:
    assert may("Builder", Call("iam:PutRolePolicy", ROLE, {"iam:PermissionsBoundary": BOUNDARY}))
    assert not may("Builder", Call("iam:PutRolePolicy", ROLE, told))
    assert not may("Builder", Call("iam:PutRolePermissionsBoundary", ROLE, told))
    assert not may("Builder", Call("iam:DeleteRolePermissionsBoundary", ROLE, {"iam:PermissionsBoundary": BOUNDARY}))


def test_a_role_is_given_no_policy_of_aws_but_those_of_the_template() -> None:
    for policy in ("AdministratorAccess", "AmazonDynamoDBFullAccess", "SecretsManagerReadWrite"):
        told = {"iam:PolicyARN": f"arn:aws:iam::aws:policy/{policy}", "iam:PermissionsBoundary": BOUNDARY}
        assert not may("Builder", Call("iam:AttachRolePolicy", ROLE, told))


def test_no_role_is_handed_on_but_the_applications_and_to_cloudformation_the_builder() -> None:
    for service in ("cloudformation.amazonaws.com", "ec2.amazonaws.com", "lambda.amazonaws.com"):
        for role in (f"{IAM}:role/administrator", *OURS):
            assert not may("Builder", Call("iam:PassRole", role, {"iam:PassedToService": service}))
        passes = may("Builder", Call("iam:PassRole", ROLE, {"iam:PassedToService": service}))
        assert passes == (service == "lambda.amazonaws.com")
    assert not may("Builder", Call("iam:PassRole", ROLE)), "to nobody in particular"
    told = {"iam:PassedToService": "cloudformation.amazonaws.com"}
    assert may("Deployer", Call("iam:PassRole", MADE["Builder.Arn"], told))
    assert not may("Deployer", Call("iam:PassRole", ROLE, told))


def test_cloudformation_takes_its_role_without_a_condition_that_aws_does_not_document() -> None:
    (trust,) = properties("Builder")["AssumeRolePolicyDocument"]["Statement"]
    assert trust == {
        "Effect": "Allow",
        "Principal": {"Service": "cloudformation.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }


LEADING = "dynamodb:LeadingKeys"
TEST_LEAD = {LEADING: PARTITION}


def test_the_workflow_reaches_its_test_lead_and_no_other() -> None:
    own = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:leadbridge/self-check-AbCdEf"
    for action in ("Query", "DeleteItem"):
        assert may("Deployer", Call(f"dynamodb:{action}", TABLE, TEST_LEAD))
        for told in ({}, {LEADING: "LEAD#ld_jrpfum5xfox5ttxqsgmtikjd5n"}, {LEADING: "SYNC#matchtrade"}):
            assert not may("Deployer", Call(f"dynamodb:{action}", TABLE, told)), told
    for action in ("BatchGetItem", "GetItem", "PartiQLSelect", "PutItem", "Scan", "UpdateItem"):
        assert not may("Deployer", Call(f"dynamodb:{action}", TABLE, TEST_LEAD)), action
    assert may("Deployer", Call("secretsmanager:GetSecretValue", own))
    for name in ("index", "leadleader", "operators", "sources"):
        other = own.replace("self-check", name)
        assert not may("Deployer", Call("secretsmanager:GetSecretValue", other)), name
    for service in ("dynamodb", "secretsmanager"):
        assert may("Deployer", Call("kms:Decrypt", KEY, {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}))
    assert may("Deployer", Call("sqs:GetQueueAttributes", QUEUE))
    for action in ("ReceiveMessage", "DeleteMessage", "SendMessage", "PurgeQueue"):
        assert not may("Deployer", Call(f"sqs:{action}", QUEUE)), action


def test_no_layer_is_reached_but_those_of_the_stack() -> None:
    layer = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:"
    for name in ("leadbridge-dependencies", "leadbridge-leadbridge"):
        assert may("Builder", Call("lambda:PublishLayerVersion", f"{layer}{name}"))
        assert may("Builder", Call("lambda:DeleteLayerVersion", f"{layer}{name}:7"))
    for name in ("LeadbridgeLayer", "DependenciesLayer", "somebody-elses", "another-leadbridge"):
        assert not may("Builder", Call("lambda:PublishLayerVersion", f"{layer}{name}")), name
        assert not may("Builder", Call("lambda:DeleteLayerVersion", f"{layer}{name}:7")), name


def test_the_accounts_settings_of_the_gateway_are_no_business_of_a_deployment() -> None:
    for role in ("Builder", "Deployer"):
        assert not may(role, Call("apigateway:PATCH", f"arn:aws:apigateway:{REGION}::/account"))
    told = {"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"}
    assert not may("Builder", Call("iam:AttachRolePolicy", ROLE, told))


def test_the_workflow_may_do_what_sam_deploy_does() -> None:
    bucket, code = MADE["Artifacts.Arn"], f"{MADE['Artifacts.Arn']}/0123456789abcdef"
    on_the_stack = ["CreateChangeSet", "DescribeChangeSet", "DescribeStackEvents", "DescribeStacks", "ExecuteChangeSet"]
    transforms = [
        Call("cloudformation:CreateChangeSet", f"arn:aws:cloudformation:{REGION}:aws:transform/{name}")
        for name in ("LanguageExtensions", "Serverless-2016-10-31")
    ]
    sam = [
        *on(STACK, "cloudformation", on_the_stack),
        *transforms,
        Call("cloudformation:GetTemplateSummary", ANY),
        *on(code, "s3", ["GetObject", "PutObject"]),
        Call("s3:ListBucket", bucket),
        Call("lambda:GetAccountSettings", ANY),  # make deploy, before it
    ]
    assert denied("Deployer", sam) == []
    assert denied("Builder", [*transforms, Call("s3:GetObject", code)]) == []


@pytest.mark.parametrize("role", ["Builder", "Deployer"])
def test_neither_role_lifts_what_guards_the_stack(role: str) -> None:
    for action in ("DeleteStack", "SetStackPolicy", "UpdateStack", "UpdateTerminationProtection"):
        assert not may(role, Call(f"cloudformation:{action}", STACK)), action


def test_the_boundary_protects_the_table_the_key_secrets_and_roles() -> None:
    for call in (
        *on(TABLE, "dynamodb", ["DeleteTable", "ExportTableToPointInTime", "PutResourcePolicy", "Scan", "UpdateTable"]),
        *on(SECRET, "secretsmanager", ["DeleteSecret", "PutSecretValue", "UpdateSecret"]),
        *on(KEY, "kms", [*SPOILS_THE_KEY, *USES_THE_KEY]),
        *on(ROLE, "iam", ["AttachRolePolicy", "CreateRole", "PassRole", "PutRolePolicy"]),
        *on(ANY, "sts", ["AssumeRole"]),
    ):
        assert not may("Boundary", call), call


@pytest.mark.parametrize("name", [name for name, role in ROLES.items() if "Policies" in role])
def test_a_role_of_the_template_is_within_the_boundary(name: str) -> None:
    role = ROLES[name]
    wanted = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    assert role["PermissionsBoundary"] == wanted
    attached = [one["Properties"] for one in MADE_BY_IT.values() if one["Type"] == "AWS::IAM::Policy"]
    for policy in (*role["Policies"], *(one for one in attached if {"Ref": name} in one["Roles"])):
        for statement in policy["PolicyDocument"]["Statement"]:
            services = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", [{}])
            for service in listed(services):
                told = {"kms:ViaService": text(service)} if service else {}
                for resource in listed(statement["Resource"]):
                    assert denied("Boundary", asked(statement, resource, told)) == []


def asked(statement: dict[str, Any], resource: Any, told: dict[str, str]) -> list[Call]:
    """A statement's actions on one of its resources."""
    return [Call(action, arn(resource), told) for action in listed(statement["Action"])]


def arn(resource: Any) -> str:
    """The whole name of a resource of the processed template."""
    match resource:
        case {"Fn::GetAtt": ["Leads", "StreamArn"]}:
            return f"{TABLE}/stream/2026-11-23T05:00:00.000"
        case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name} if name in MADE_BY_IT:
            kind = MADE_BY_IT[name]["Type"]
            return WHERE[kind].format(region=REGION, account=ACCOUNT, name=named(name))
        case {"Fn::Sub": str() as pattern} if pattern.startswith("${Leads.Arn}"):
            return pattern.replace("${Leads.Arn}", TABLE)
    return text(resource).replace("??????", "AbCdEf")


WHERE = {
    "AWS::DynamoDB::Table": TABLE,
    "AWS::Events::EventBus": "arn:aws:events:{region}:{account}:event-bus/{name}",
    "AWS::KMS::Key": KEY,
    "AWS::Lambda::Alias": "arn:aws:lambda:{region}:{account}:function:{name}:live",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
}


def test_by_hand_there_is_no_boundary() -> None:
    parameter = "PermissionsBoundary"
    assert template()["Parameters"][parameter]["Default"] == ""
    assert template()["Conditions"]["HasBoundary"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}


def test_the_policies_are_as_small_as_iam_wants_them() -> None:
    longer = 40 - len(GIVEN["ApplicationStack"])  # a stack's name of 40 characters
    for name, limit in (("Builder", 10_240), ("Deployer", 10_240), ("Boundary", 6_144)):
        mentions = sum("leadbridge" in resource for one in statements(name) for resource in one["Resource"])
        assert size(name) + mentions * longer < limit, name
