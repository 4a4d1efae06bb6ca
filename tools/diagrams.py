"""`make diagrams`: update the diagrams in the documentation, from the template and the transition tables.

The roles have exactly the permissions that the functions use (tests/contract/test_permissions.py).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from devstack.template import read_template
from leadbridge.domain.transitions import BY_OPERATOR, DELIVERY, FETCH, MESSAGE, POSTBACK, Table
from leadbridge.partners.registry import all_kinds

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PLACE = re.compile(r"(?<=<!-- make diagrams: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
RULE, QUEUE = "AWS::Events::Rule", "AWS::SQS::Queue"
CALLERS = {"/webhooks/": "forms", "/partners/leeloo/": "Leeloo's events"}  # by the path; operators call the others
LOOK = (
    "classDef partner fill:#fff3d6,stroke:#a87900,color:#000",
    "classDef function fill:#e7f0ff,stroke:#2b5fb3,color:#000",
    "classDef store fill:#e5f5e8,stroke:#2e7d3c,color:#000",
    "class Leads store",
)
# The partner whose address is in a secret. Meta's is in the secret of the sources.
PARTNERS = {kind.name: kind.label for kind in all_kinds()} | {
    "leeloo": "Leeloo",
    "sources": "Meta's Graph",
    "feedback": "Trackers",
    "alerts": "Telegram, webhooks",
}


@cache
def resources() -> dict[str, dict[str, Any]]:
    """The resources of template.yaml."""
    found: dict[str, dict[str, Any]] = read_template(ROOT / "template.yaml")["Resources"]
    return found


def of_type(kind: str) -> Iterator[tuple[str, Any]]:
    """The logical ids and the properties of all resources of a type."""
    return ((name, found["Properties"]) for name, found in resources().items() if found["Type"] == kind)


def overview() -> str:
    """All functions, queues, rules and schedules, the table, the bus and the partners."""
    functions = dict(of_type("AWS::Serverless::Function"))
    arrows, workers, partners = list[str](), list[str](), list[str]()
    for name, properties in functions.items():
        events = [(event["Type"], event["Properties"]) for event in properties.get("Events", {}).values()]
        arrows += [_call(name, *event) for event in events] or [_call(name, "Api", {"Path": "/"})]  # the authorizer's
        kinds = {kind for kind, _ in events}
        is_worker = not kinds.isdisjoint({"SQS", "ScheduleV2"})
        workers += [name] if is_worker else []
        for action, target in _allowed(f"{name}Role"):
            match action:
                case "dynamodb:UpdateItem" if not is_worker:
                    arrows.append(f"{name} --> Leads")
                case "events:PutEvents":
                    arrows.append(f"{name} --> {target}")
                case "sqs:SendMessage" if "ScheduleV2" in kinds and "DeadLetter" not in target:
                    arrows.append(f"{name} --> {target}")
                case "secretsmanager:GetSecretValue" if is_worker:
                    called = [label for secret, label in PARTNERS.items() if f"/{secret}-" in target]
                    partners += called
                    arrows += [f"{name} --> {_node(label)}" for label in called]
    lines = [
        *(f"{name}[{_folder(name)}]" for name in functions),
        *(f"{name}[/{name}/]" for name, _ in of_type(QUEUE) if "DeadLetter" not in name),
        *("Leads[(Leads)]", "Bus{{Bus}}"),
        *dict.fromkeys(arrows),
        *(_forwarding(name, rule) for name, rule in of_type(RULE)),
        'subgraph workers["workers"]',
        *(f"  {name}" for name in workers),
        "end",
        "workers -.->|results| Leads",
        *LOOK,
        f"class {','.join(functions)} function",
        f"class {','.join(dict.fromkeys(map(_id, partners)))} partner",
    ]
    return _mermaid("flowchart LR", lines)


def _call(function: str, kind: str, event: dict[str, Any]) -> str:
    match kind:
        case "Api":
            caller = next((who for start, who in CALLERS.items() if event["Path"].startswith(start)), "operators")
            return f"{_node(caller)} --> {function}"
        case "ScheduleV2":
            return f"{_node(re.sub(r'rate.(?:1 )?(.*).$', r'every \1', event['ScheduleExpression']))} --> {function}"
        case "SQS":
            return f"{event['Queue']['Fn::GetAtt'][0]} --> {function}"
        case _:
            return f"{event['Stream']['Fn::GetAtt'][0]} -->|stream| {function}"


def _forwarding(name: str, rule: dict[str, Any]) -> str:
    """A rule of the bus, with the event and what only this rule asks for, and its queue."""
    pattern, (target,) = rule["EventPattern"], rule["Targets"]
    values = [str(value) for field, (value, *_) in pattern["detail"].items() if field != "retry_scheduled"]
    label = f"{name}<br/>{pattern['detail-type'][0]}: {', '.join(values)}"
    return f'Bus -->|"{label}"| {target["Arn"]["Fn::GetAtt"][0]}'


def _allowed(role: str) -> Iterator[tuple[str, str]]:
    """Every action of a role with each of its resources, by logical id if possible."""
    attached = [policy for _, policy in of_type("AWS::IAM::Policy") if {"Ref": role} in policy["Roles"]]
    for policy in (*resources()[role]["Properties"]["Policies"], *attached):
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    is_ours = isinstance(resource, dict) and "Fn::GetAtt" in resource
                    yield action, resource["Fn::GetAtt"][0] if is_ours else str(resource)


def states(first: str, table: Table) -> str:
    """Events between the same two states share an arrow. Events without a change of state are not drawn."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for event, moves in table.items():
        for before, after in moves.items():
            if before != after:
                arrows.setdefault((before, after), []).append(f"operator: {event}" if event in BY_OPERATOR else event)
    drawn = [f"{before} --> {after}: {'<br/>'.join(events)}" for (before, after), events in arrows.items()]
    return _mermaid("stateDiagram-v2", [f"[*] --> {first}", *drawn])


PICTURES: dict[str, Callable[[], str]] = {
    "overview": overview,
    "delivery": lambda: states("received", DELIVERY),
    "message": lambda: states("pending", MESSAGE),
    "fetch": lambda: states("pending", FETCH),
    "postback": lambda: states("pending", POSTBACK),
}


def drawn(page: str) -> str:
    """Return the text of a page with its present diagrams."""
    return PLACE.sub(lambda place: f"{place[1]}{place[2]}{PICTURES[place[1]]()}\n", page)


def _mermaid(kind: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", kind, *(f"  {line}" for line in lines), "```"])


def _node(name: str) -> str:
    """Something outside: a caller, a schedule or a partner."""
    return f'{_id(name)}(["{name}"])'


def _id(name: str) -> str:
    return "".join(filter(str.isalnum, name))


def _folder(function: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", function).lower()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
