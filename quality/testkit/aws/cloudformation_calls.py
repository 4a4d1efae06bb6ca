"""What CloudFormation asks of AWS to make, change and delete a resource, as far as the template uses its type.

If a type is missing here, look up the permissions that it needs.
"""

from collections.abc import Iterable
from typing import Any

from quality.testkit.aws.github_role import ACCOUNT, BOUNDARY, IAM, REGION, Call, named, text
from quality.testkit.aws.permissions import listed

ANY = "*"
API = f"arn:aws:apigateway:{REGION}::"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
MAPPING = f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:11111111-2222-3333-4444-555555555555"
STAGE = f"{API}/restapis/a1b2c3d4e5/stages/v1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{{function}}"
ALARM = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{{name}}"
APPLICATION = f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:application:{{name}}"
DASHBOARD = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{{name}}"
DEPLOYMENTS = f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:leadbridge-Application-1X2Y3Z/{{name}}"
DEPLOYMENT_OF_AN_ALIAS = DEPLOYMENTS.replace("{name}", "leadbridge-Group-1X2Y3Z")
HOW_TO_DEPLOY = f"arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentconfig:CodeDeployDefault.LambdaAllAtOnce"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{{name}}"
GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{{name}}:*"
LAYER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{{name}}"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{name}}"
ROLE = f"{IAM}:role/{{name}}"
RULE = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/leadbridge/{{name}}"
SCHEDULE = f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{{name}}"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{{name}}-AbCdEf"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{{name}}"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{{name}}"
TOPIC_OF_ALARMS = TOPIC.replace("{name}", "leadbridge-Alarms-1X2Y3Z")
FIREWALL = f"arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/leadbridge-firewall/11111111-2222-3333-4444-555555555555"
CODE = "arn:aws:s3:::leadbridge-prod-github-artifacts-1x2y3z/0123456789abcdef"

# By type and resource: `{name}` is the resource's own, `{function}` that of the function it belongs to.
ASKED: dict[str, dict[str, str]] = {
    "AWS::ApiGateway::Deployment": {
        f"{API}/restapis/a1b2c3d4e5/deployments": "apigateway:GET apigateway:POST",
        f"{API}/restapis/a1b2c3d4e5/deployments/f6g7h8": "apigateway:DELETE apigateway:GET apigateway:PATCH",
    },
    "AWS::ApiGateway::RestApi": {
        f"{API}/restapis": "apigateway:POST",
        f"{API}/restapis/a1b2c3d4e5": "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:PUT",
        f"{API}/tags/arn%3Aaws%3Aapigateway": "apigateway:DELETE apigateway:GET apigateway:PUT",
    },
    "AWS::ApiGateway::Stage": {
        f"{API}/restapis/a1b2c3d4e5/stages": "apigateway:POST",
        STAGE: "apigateway:DELETE apigateway:GET apigateway:PATCH apigateway:PUT",
        f"{API}/tags/arn%3Aaws%3Aapigateway": "apigateway:DELETE apigateway:GET apigateway:PUT",
    },
    "AWS::CloudWatch::Alarm": {
        ALARM: "cloudwatch:DeleteAlarms cloudwatch:ListTagsForResource cloudwatch:PutMetricAlarm "
        "cloudwatch:TagResource cloudwatch:UntagResource",
        f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*": "cloudwatch:DescribeAlarms",
    },
    "AWS::CloudWatch::Dashboard": {
        DASHBOARD: "cloudwatch:DeleteDashboards cloudwatch:GetDashboard cloudwatch:ListTagsForResource "
        "cloudwatch:PutDashboard cloudwatch:TagResource cloudwatch:UntagResource",
    },
    "AWS::CodeDeploy::Application": {
        APPLICATION: "codedeploy:CreateApplication codedeploy:DeleteApplication codedeploy:GetApplication "
        "codedeploy:ListTagsForResource codedeploy:TagResource codedeploy:UntagResource codedeploy:UpdateApplication",
    },
    "AWS::CodeDeploy::DeploymentGroup": {
        DEPLOYMENTS: "codedeploy:CreateDeploymentGroup codedeploy:DeleteDeploymentGroup codedeploy:GetDeploymentGroup "
        "codedeploy:ListTagsForResource codedeploy:TagResource codedeploy:UpdateDeploymentGroup",
    },
    "AWS::DynamoDB::Table": {
        TABLE: "dynamodb:CreateTable dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights "
        "dynamodb:DescribeKinesisStreamingDestination dynamodb:DescribeTable dynamodb:DescribeTimeToLive "
        "dynamodb:GetResourcePolicy dynamodb:ListTagsOfResource dynamodb:TagResource dynamodb:UntagResource "
        "dynamodb:UpdateContinuousBackups dynamodb:UpdateTable dynamodb:UpdateTimeToLive",
        KEY: "kms:DescribeKey",
    },
    "AWS::Events::EventBus": {
        BUS: "events:CreateEventBus events:DeleteEventBus events:DescribeEventBus events:ListTagsForResource "
        "events:TagResource events:UntagResource events:UpdateEventBus",
    },
    "AWS::Events::Rule": {
        RULE: "events:DeleteRule events:DescribeRule events:ListTargetsByRule events:PutRule events:PutTargets "
        "events:RemoveTargets events:TagResource",
    },
    "AWS::IAM::Policy": {},  # what it calls is called on its roles
    "AWS::IAM::Role": {
        ROLE: "iam:CreateRole iam:DeleteRole iam:DeleteRolePolicy iam:DetachRolePolicy iam:GetRole iam:GetRolePolicy "
        "iam:ListAttachedRolePolicies iam:ListRolePolicies iam:TagRole iam:UntagRole "
        "iam:UpdateAssumeRolePolicy",
    },
    "AWS::KMS::Key": {
        ANY: "kms:CreateKey kms:TagResource",
        KEY: "kms:DescribeKey kms:EnableKeyRotation kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags "
        "kms:UpdateKeyDescription",
    },
    "AWS::Lambda::Alias": {
        f"{FUNCTION}:live": "lambda:GetAlias",
        FUNCTION: "lambda:CreateAlias lambda:DeleteAlias lambda:GetAlias lambda:GetProvisionedConcurrencyConfig "
        "lambda:UpdateAlias",
        DEPLOYMENT_OF_AN_ALIAS: "codedeploy:CreateDeployment codedeploy:GetDeployment codedeploy:GetDeploymentGroup",
        APPLICATION: "codedeploy:GetApplicationRevision codedeploy:RegisterApplicationRevision",
        HOW_TO_DEPLOY: "codedeploy:GetDeploymentConfig",
        ANY: "codedeploy:StopDeployment",
    },
    "AWS::Lambda::EventInvokeConfig": {
        f"{FUNCTION}:live": "lambda:DeleteFunctionEventInvokeConfig lambda:GetFunctionEventInvokeConfig "
        "lambda:PutFunctionEventInvokeConfig lambda:UpdateFunctionEventInvokeConfig",
    },
    "AWS::Lambda::EventSourceMapping": {
        ANY: "lambda:CreateEventSourceMapping",
        MAPPING: "lambda:DeleteEventSourceMapping lambda:GetEventSourceMapping lambda:ListTags lambda:TagResource "
        "lambda:UntagResource lambda:UpdateEventSourceMapping",
    },
    "AWS::Lambda::Function": {
        FUNCTION: "lambda:CreateFunction lambda:DeleteFunction lambda:DeleteFunctionConcurrency lambda:GetFunction "
        "lambda:GetFunctionCodeSigningConfig lambda:GetFunctionRecursionConfig lambda:GetRuntimeManagementConfig "
        "lambda:ListTags lambda:PutFunctionConcurrency lambda:PutFunctionRecursionConfig "
        "lambda:PutRuntimeManagementConfig lambda:TagResource lambda:UntagResource lambda:UpdateFunctionCode "
        "lambda:UpdateFunctionConfiguration",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:leadbridge-leadbridge:7": "lambda:GetLayerVersion",
        CODE: "s3:GetObject",
    },
    "AWS::Lambda::LayerVersion": {
        LAYER: "lambda:PublishLayerVersion",
        f"{LAYER}:7": "lambda:DeleteLayerVersion lambda:GetLayerVersion",
        CODE: "s3:GetObject",
    },
    "AWS::Lambda::Permission": {FUNCTION: "lambda:AddPermission lambda:GetPolicy lambda:RemovePermission"},
    "AWS::Lambda::Version": {
        FUNCTION: "lambda:GetFunction lambda:GetFunctionConfiguration lambda:ListVersionsByFunction "
        "lambda:PublishVersion",
        f"{FUNCTION}:7": "lambda:DeleteFunction lambda:GetFunctionConfiguration",
    },
    "AWS::Logs::LogGroup": {
        GROUP: "logs:AssociateKmsKey logs:CreateLogGroup logs:DeleteLogGroup logs:DeleteRetentionPolicy "
        "logs:GetDataProtectionPolicy logs:ListTagsForResource logs:ListTagsLogGroup logs:PutRetentionPolicy "
        "logs:TagResource logs:UntagResource",
        ANY: "logs:DescribeIndexPolicies logs:DescribeLogGroups logs:DescribeResourcePolicies",
    },
    "AWS::SNS::Subscription": {
        TOPIC_OF_ALARMS: "sns:GetTopicAttributes sns:ListSubscriptionsByTopic sns:Subscribe",
        ANY: "sns:GetSubscriptionAttributes sns:SetSubscriptionAttributes sns:Unsubscribe",
    },
    "AWS::SNS::Topic": {
        TOPIC: "sns:CreateTopic sns:DeleteTopic sns:GetDataProtectionPolicy sns:GetTopicAttributes "
        "sns:ListSubscriptionsByTopic sns:ListTagsForResource sns:SetTopicAttributes sns:TagResource sns:UntagResource",
    },
    "AWS::SQS::Queue": {
        QUEUE: "sqs:CreateQueue sqs:DeleteQueue sqs:GetQueueAttributes sqs:GetQueueUrl sqs:ListQueueTags "
        "sqs:SetQueueAttributes sqs:TagQueue sqs:UntagQueue",
    },
    "AWS::SQS::QueuePolicy": {QUEUE: "sqs:GetQueueAttributes sqs:SetQueueAttributes"},
    "AWS::Scheduler::Schedule": {
        SCHEDULE: "scheduler:CreateSchedule scheduler:DeleteSchedule scheduler:GetSchedule scheduler:UpdateSchedule",
    },
    "AWS::SecretsManager::Secret": {
        SECRET: "secretsmanager:CreateSecret secretsmanager:DeleteSecret secretsmanager:DescribeSecret "
        "secretsmanager:TagResource secretsmanager:UntagResource",
        ANY: "secretsmanager:GetRandomPassword",
    },
    "AWS::WAFv2::WebACL": {
        FIREWALL: "wafv2:CreateWebACL wafv2:DeleteWebACL wafv2:GetWebACL wafv2:ListTagsForResource wafv2:TagResource "
        "wafv2:UntagResource wafv2:UpdateWebACL",
    },
    "AWS::WAFv2::WebACLAssociation": {
        FIREWALL: "wafv2:AssociateWebACL wafv2:GetWebACL",
        STAGE: "apigateway:SetWebACL wafv2:AssociateWebACL wafv2:DisassociateWebACL wafv2:GetWebACLForResource",
    },
}

# The key is used by these services, in the caller's name, while such a resource is made.
UNDER_THE_KEY = {
    "AWS::DynamoDB::Table": ("dynamodb", "CreateGrant Decrypt Encrypt GenerateDataKey ReEncryptFrom ReEncryptTo"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "Decrypt GenerateDataKey"),
}


def calls(resource: str, kind: str, properties: dict[str, Any]) -> Iterable[Call]:
    """Each call that CloudFormation makes for one resource of the processed template."""
    function = properties.get("FunctionName")
    names = {"name": named(resource), "function": text(function) if function else ""}
    for pattern, actions in ASKED[kind].items():
        for action in actions.split():
            yield Call(action, pattern.format(**names))
    if kind in UNDER_THE_KEY:
        service, actions = UNDER_THE_KEY[kind]
        for action in actions.split():
            yield Call(f"kms:{action}", KEY, {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"})
    for role in properties["Roles"] if kind == "AWS::IAM::Policy" else []:
        for action in ("DeleteRolePolicy", "GetRolePolicy", "PutRolePolicy"):
            yield Call(f"iam:{action}", ROLE.format(name=named(role["Ref"])), {"iam:PermissionsBoundary": BOUNDARY})
    if kind == "AWS::IAM::Role":
        yield from policies(ROLE.format(**names), properties)
        (trust,) = properties["AssumeRolePolicyDocument"]["Statement"]
        for service in listed(trust["Principal"]["Service"]):  # the resource that gets the role passes it on
            yield Call("iam:PassRole", ROLE.format(**names), {"iam:PassedToService": service})


def policies(role: str, properties: dict[str, Any]) -> Iterable[Call]:
    """What a role's policies and its boundary, where there is one, ask."""
    within = {"iam:PermissionsBoundary": BOUNDARY} if "PermissionsBoundary" in properties else {}
    if within:
        yield Call("iam:PutRolePermissionsBoundary", role, within)
    if "Policies" in properties:
        yield Call("iam:PutRolePolicy", role, within)
    for policy in properties.get("ManagedPolicyArns", []):
        yield Call("iam:AttachRolePolicy", role, {"iam:PolicyARN": text(policy), **within})
