"""What the functions' roles allow, what the functions do, and what Lambda does in their name: sets of grants.

A resource goes by its logical id: `Leads`, `Leads/index/due`, `secret/index`, or `*`.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

from quality.testkit.aws.memory_stack import Call
from quality.testkit.template import resources, role_statements, template

Grant = tuple[str, str]
Keyed = tuple[str, str, str]
"""A grant, and the partition key that a call names."""

FUNCTIONS = resources("AWS::Serverless::Function")
IN_A_TRANSACTION = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
TO_WORK_OFF_A_QUEUE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
TO_READ_A_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
WRITES = {f"dynamodb:{name}" for name in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")}
ENCRYPTED = {"dynamodb", "sqs", "secretsmanager", "sns"}  # the services whose data lie under the stack's own key


def listed(value: Any) -> list[Any]:
    """A value of a policy, which may be one or a list."""
    return value if isinstance(value, list) else [value]


def granted(function: str) -> set[Grant]:
    """What a function's role allows, the key apart."""
    return {
        (action, named(resource))
        for statement in role_statements(function)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if not action.startswith("kms:")
    }


def key_grant(function: str) -> tuple[set[str], set[str]]:
    """What a function's role allows with the key, and in which services' names."""
    found = [
        one for one in role_statements(function) if any(action.startswith("kms:") for action in listed(one["Action"]))
    ]
    if not found:
        return set(), set()
    (statement,) = found
    assert named(statement["Resource"]) == "Key"
    (services,) = statement["Condition"]["StringEquals"].values()
    assert set(statement["Condition"]["StringEquals"]) == {"kms:ViaService"}
    return set(statement["Action"]), {service["Fn::Sub"].partition(".")[0] for service in services}


def key_need(grants: set[Grant]) -> tuple[set[str], set[str]]:
    """What must be allowed with the key where these grants are used: reading decrypts, writing makes data keys."""
    services = {action.partition(":")[0] for action, _ in grants} & ENCRYPTED
    writes = any(action in WRITES or action in {"sqs:SendMessage", "sns:Publish"} for action, _ in grants)
    return {"kms:Decrypt", *(["kms:GenerateDataKey"] if writes else [])} if services else set(), services


def named(resource: Any) -> str:
    """The name of a policy's resource."""
    match resource:
        case "*":
            return "*"
        case {"Fn::GetAtt": [name, "Arn"]} | {"Ref": name}:
            return str(name)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{name}.{attribute}"
        case {"Fn::Sub": text}:
            secret = re.fullmatch(r"arn:.*:secret:\$\{Prefix\}/([a-z-]+)-\?{6}", text)
            if secret is not None:
                return f"secret/{secret[1]}"
            index = re.fullmatch(r"\$\{(\w+)\.Arn\}(/index/[a-z]+)", text)
            if index is not None:
                return index[1] + index[2]
    raise LookupError(f"no name for {resource}")


def used(calls: Iterable[Call]) -> dict[str, set[Grant]]:
    """What the functions' calls want to be allowed, by function."""
    found: dict[str, set[Grant]] = {}
    for call in calls:
        found.setdefault(call.function, set()).update(wanted(call))
    return found


def wanted(call: Call) -> Iterable[Grant]:
    """What one call wants to be allowed."""
    asked = call.parameters
    match call.operation:
        case "TransactWriteItems":
            for write in asked["TransactItems"]:
                ((kind, one),) = write.items()
                yield IN_A_TRANSACTION[kind], one["TableName"]
        case "TransactGetItems":
            for read in asked["TransactItems"]:
                yield "dynamodb:GetItem", read["Get"]["TableName"]
        case "BatchGetItem" | "BatchWriteItem" as operation:
            for table in asked["RequestItems"]:
                yield f"dynamodb:{operation}", table
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" as operation:
            index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
            yield f"dynamodb:{operation}", asked["TableName"] + index
        case "PutEvents":
            for entry in asked["Entries"]:
                yield "events:PutEvents", entry["EventBusName"]
        case "GetSecretValue":
            yield "secretsmanager:GetSecretValue", f"secret/{asked['SecretId'].rpartition('/')[2]}"
        case "Publish":
            yield "sns:Publish", asked["TopicArn"].rpartition(":")[2]
        case "SendMessage" | "SendMessageBatch":
            yield "sqs:SendMessage", asked["QueueUrl"].rpartition("/")[2]
        case operation if "QueueUrl" in asked:
            yield f"sqs:{operation}", asked["QueueUrl"].rpartition("/")[2]
        case operation:
            raise LookupError(f"{call.function} calls {operation}")


def keyed(calls: Iterable[Call]) -> dict[str, set[Keyed]]:
    """The items of the table that the functions' calls name, by function."""
    found: dict[str, set[Keyed]] = {}
    for call in calls:
        found.setdefault(call.function, set()).update(partition_keys(call))
    return found


def partition_keys(call: Call) -> Iterable[Keyed]:
    """What one call wants to be allowed, with the partition key of each item that it names."""
    asked = call.parameters
    match call.operation:
        case "TransactWriteItems":
            for write in asked["TransactItems"]:
                ((kind, one),) = write.items()
                yield IN_A_TRANSACTION[kind], one["TableName"], key_of(one)
        case "TransactGetItems":
            for read in asked["TransactItems"]:
                yield "dynamodb:GetItem", read["Get"]["TableName"], key_of(read["Get"])
        case "BatchGetItem":
            for table, read in asked["RequestItems"].items():
                for key in read["Keys"]:
                    yield "dynamodb:BatchGetItem", table, key["pk"]["S"]
        case "BatchWriteItem":
            for table, writes in asked["RequestItems"].items():
                for one in chain.from_iterable(write.values() for write in writes):
                    yield "dynamodb:BatchWriteItem", table, key_of(one)
        case "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem":
            yield f"dynamodb:{call.operation}", asked["TableName"], key_of(asked)
        case "Query":
            (resource,) = (resource for _, resource in wanted(call))
            named_first = re.match(r"[\w#]+ = (:\w+)", asked["KeyConditionExpression"])
            assert named_first is not None, asked["KeyConditionExpression"]
            yield "dynamodb:Query", resource, asked["ExpressionAttributeValues"][named_first[1]]["S"]


def key_of(request: dict[str, Any]) -> str:
    """The partition key of the item that a request names."""
    return str((request.get("Key") or request["Item"])["pk"]["S"])


def leading_keys(function: str) -> list[tuple[set[str], set[str], list[str]]]:
    """The actions and resources that a role allows in the table, with the patterns of their partition keys."""
    found = []
    for statement in role_statements(function):
        condition = statement.get("Condition", {}).get("ForAllValues:StringLike", {"dynamodb:LeadingKeys": ["*"]})
        resources = {named(one) for one in listed(statement["Resource"])}
        found.append((set(listed(statement["Action"])), resources, condition["dynamodb:LeadingKeys"]))
    return found


def allows(statement: tuple[set[str], set[str], list[str]], wanted: Keyed) -> set[str]:
    """The patterns by which a statement allows a call; none if it does not."""
    actions, resources, patterns = statement
    action, resource, key = wanted
    if action not in actions or resource not in resources:
        return set()
    return {pattern for pattern in patterns if fnmatchcase(key, pattern)}


def in_its_name(function: str) -> set[Grant]:
    """What Lambda does in a function's name: it logs and traces, works off queues, reads streams, hands on failures."""
    properties = FUNCTIONS[function]["Properties"]
    found = {(f"logs:{action}", f"{function}Logs") for action in ("CreateLogStream", "PutLogEvents")}
    assert template()["Globals"]["Function"]["Tracing"] == "Active"
    found |= {(f"xray:{action}", "*") for action in ("PutTraceSegments", "PutTelemetryRecords")}
    configured = [properties.get("EventInvokeConfig", {})]
    for event in properties.get("Events", {}).values():
        match event["Type"]:
            case "SQS":
                queue = event["Properties"]["Queue"]["Fn::GetAtt"][0]
                found |= {(action, queue) for action in TO_WORK_OFF_A_QUEUE}
            case "DynamoDB":
                found |= {(action, named(event["Properties"]["Stream"])) for action in TO_READ_A_STREAM}
                found.add(("dynamodb:ListStreams", "*"))
                configured.append(event["Properties"])
    for one in configured:
        if "DestinationConfig" in one:
            found.add(("sqs:SendMessage", named(one["DestinationConfig"]["OnFailure"]["Destination"])))
    return found
