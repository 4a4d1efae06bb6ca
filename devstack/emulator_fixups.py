"""Corrections after a deployment, for what the emulator does differently from AWS."""

import json
from typing import Any

from botocore.config import Config

from devstack.clients import CONFIG, Emulator

# AWS checks a batch under the name of the single action; the emulator's policies want the batch's own.
BATCHES = {
    "sqs:SendMessage": "sqs:SendMessageBatch",
    "sqs:DeleteMessage": "sqs:DeleteMessageBatch",
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
}


def finish(aws: Emulator, stack_name: str) -> None:
    """Apply all corrections. May be repeated."""
    resources = aws.resources(stack_name)
    cloudformation = aws.session.client("cloudformation", endpoint_url=aws.url, config=CONFIG)
    template: Any = cloudformation.get_template(StackName=stack_name, TemplateStage="Processed")["TemplateBody"]
    for logical_id, api in resources.get("AWS::ApiGateway::RestApi", {}).items():
        definition = template["Resources"][logical_id]["Properties"]
        set_binary_types(aws, api, definition.get("BinaryMediaTypes", []))
        responses = definition["Body"]["x-amazon-apigateway-gateway-responses"]
        set_gateway_responses(aws, api, responses, *resources["AWS::ApiGateway::Stage"].values())
    set_concurrency(aws)
    permit_batches(aws, resources.get("AWS::IAM::Role", {}))


def set_binary_types(aws: Emulator, api: str, types: list[str]) -> None:
    """The emulator compares content types with the escaped ones of a template, so no body is handed on as bytes.

    It takes the list only as a whole, which is not what AWS's API takes.
    """
    config = CONFIG.merge(Config(parameter_validation=False))
    gateway = aws.session.client("apigateway", endpoint_url=aws.url, config=config)
    whole: Any = [kind.replace("~1", "/") for kind in types]
    change: Any = {"op": "replace", "path": "/binaryMediaTypes", "value": whole}
    gateway.update_rest_api(restApiId=api, patchOperations=[change])


def set_gateway_responses(aws: Emulator, api: str, responses: dict[str, Any], *stages: str) -> None:
    """The emulator ignores the gateway responses of an API's definition. A new deployment activates them."""
    gateway = aws.session.client("apigateway", endpoint_url=aws.url, config=CONFIG)
    for kind, wanted in responses.items():
        known: Any = {"responseParameters", "responseTemplates", "statusCode"} & wanted.keys()
        response: Any = {key: str(wanted[key]) if key == "statusCode" else wanted[key] for key in known}
        gateway.put_gateway_response(restApiId=api, responseType=kind, **response)  # type: ignore[arg-type]
    for stage in stages:
        gateway.create_deployment(restApiId=api, stageName=stage)


def set_concurrency(aws: Emulator) -> None:
    """The emulator stores a number from a parameter as text, which its queue poller cannot read."""
    functions = aws.session.client("lambda", endpoint_url=aws.url, config=CONFIG)
    for page in functions.get_paginator("list_event_source_mappings").paginate():
        for mapping in page["EventSourceMappings"]:
            if most := mapping.get("ScalingConfig", {}).get("MaximumConcurrency"):
                scaling: Any = {"MaximumConcurrency": int(most)}
                functions.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig=scaling)


def permit_batches(aws: Emulator, roles: dict[str, str]) -> None:
    """The emulator requires separate permissions for batches."""
    iam = aws.session.client("iam", endpoint_url=aws.url, config=CONFIG)
    for role in roles.values():
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            document["Statement"] = [with_batches(statement) for statement in document["Statement"]]
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def with_batches(statement: dict[str, Any]) -> dict[str, Any]:
    """Add the batch actions to a statement."""
    actions = statement.get("Action", [])
    actions = [actions] if isinstance(actions, str) else actions
    batches = [BATCHES[action] for action in actions if action in BATCHES and BATCHES[action] not in actions]
    return {**statement, "Action": [*actions, *batches]} if batches else statement
