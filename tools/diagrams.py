"""`make diagrams`: update the diagrams and tables in the documentation, from the template and the transition tables.

The roles have exactly the permissions that the functions use (tests/contract/test_permissions.py).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from devstack.template import read_template
from leadbridge.domain.transitions import BY_OPERATOR, DELIVERY, FETCH, MESSAGE, POSTBACK, Table
from leadbridge.partners.registry import all_kinds

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PLACE = re.compile(r"(?<=<!-- make diagrams: )(\w+)( -->\n).*?(?=<!-- end -->)", re.DOTALL)
OPERATORS = 'operators(["operators"])'
CALLERS = {"/webhooks/": 'forms(["forms"])', "/partners/leeloo/": 'events(["Leeloo\'s events"])'}
LOOK = (
    "classDef partner fill:#fff3d6,stroke:#a87900,color:#000",
    "classDef function fill:#e7f0ff,stroke:#2b5fb3,color:#000",
    "classDef store fill:#e5f5e8,stroke:#2e7d3c,color:#000",
)
WRITES = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}
READS = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
# The partner whose address is in a secret. Meta's is in the secret of the sources.
PARTNERS = {kind.name: kind.label for kind in all_kinds()} | {
    "leeloo": "Leeloo",
    "sources": "Meta's Graph",
    "feedback": "Trackers",
    "alerts": "Telegram, webhooks",
}


@dataclass(frozen=True)
class Function:
    """One function: its callers and its permissions. `sends_to` are queues and the bus."""

    name: str
    routes: tuple[str, ...]
    queues: tuple[str, ...]
    stream: bool
    every: str
    table: str
    sends_to: tuple[str, ...]
    failures_to: tuple[str, ...]
    partners: tuple[str, ...]

    @property
    def flow(self) -> str:
        """The name of its folder: receive_lead for ReceiveLead."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.name).lower()


@dataclass(frozen=True)
class Rule:
    """A rule of the bus. `condition` has the event and what only this rule asks for."""

    name: str
    condition: str
    queue: str


@dataclass(frozen=True)
class Application:
    """The functions and rules, and each queue with its dead-letter queue if it has one."""

    functions: tuple[Function, ...]
    rules: tuple[Rule, ...]
    queues: dict[str, str]


@cache
def application() -> Application:
    """The application of template.yaml."""
    resources = read_template(ROOT / "template.yaml")["Resources"]
    queues = {
        name: found["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] if "RedrivePolicy" in found else ""
        for name, found in _of_type(resources, "AWS::SQS::Queue")
    }
    functions = _of_type(resources, "AWS::Serverless::Function")
    return Application(
        tuple(_function(name, found, list(_allowed(resources, f"{name}Role")), queues) for name, found in functions),
        tuple(_rule(name, properties) for name, properties in _of_type(resources, "AWS::Events::Rule")),
        queues,
    )


def _of_type(resources: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, found["Properties"]) for name, found in resources.items() if found["Type"] == kind)


def _function(
    name: str, properties: dict[str, Any], allowed: list[tuple[str, str]], dead_letters: dict[str, str]
) -> Function:
    def events(kind: str) -> list[dict[str, Any]]:
        return [one["Properties"] for one in properties.get("Events", {}).values() if one["Type"] == kind]

    actions = {action for action, _ in allowed}
    sends = [target for action, target in allowed if action in {"sqs:SendMessage", "events:PutEvents"}]
    queues = tuple(event["Queue"]["Fn::GetAtt"][0] for event in events("SQS"))
    calls = [label for _, target in allowed for secret, label in PARTNERS.items() if f"/{secret}-" in target]
    return Function(
        name,
        routes=tuple(f"{event['Method']} {event['Path']}" for event in events("Api")),
        queues=queues,
        stream=bool(events("DynamoDB")),
        every="".join(_every(event["ScheduleExpression"]) for event in events("ScheduleV2")),
        table="writes" if actions & WRITES else "reads" if actions & READS else "",
        sends_to=tuple(target for target in sends if "DeadLetter" not in target),
        failures_to=tuple(target for target in sends if "DeadLetter" in target)
        or tuple(dead_letters[queue] for queue in queues if dead_letters[queue]),
        partners=() if events("Api") else tuple(calls),
    )


def _every(rate: str) -> str:
    number, unit = rate.removeprefix("rate(").removesuffix(")").split()
    return f"every {unit}" if number == "1" else f"every {number} {unit}"


def _allowed(resources: dict[str, Any], role: str) -> Iterator[tuple[str, str]]:
    """Every action of a role with each of its resources, by logical id if possible."""
    attached = [policy for _, policy in _of_type(resources, "AWS::IAM::Policy") if {"Ref": role} in policy["Roles"]]
    for policy in (*resources[role]["Properties"]["Policies"], *attached):
        for statement in policy["PolicyDocument"]["Statement"]:
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    yield action, _target(resource)


def _target(resource: Any) -> str:
    match resource:
        case {"Fn::GetAtt": [name, "StreamArn"]}:
            return f"{name} Stream"
        case {"Fn::GetAtt": [name, _]}:
            return str(name)
        case _:
            return str(resource)


def _rule(name: str, properties: dict[str, Any]) -> Rule:
    pattern = properties["EventPattern"]
    values = [str(value) for field, (value, *_) in pattern["detail"].items() if field != "retry_scheduled"]
    (target,) = properties["Targets"]
    return Rule(name, f"{pattern['detail-type'][0]}: {', '.join(values)}", target["Arn"]["Fn::GetAtt"][0])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def overview() -> str:
    """All functions, queues, rules and schedules, the table, the bus and the partners."""
    functions, queues = application().functions, list(application().queues)
    workers = sorted((one for one in functions if one.queues), key=lambda one: queues.index(one.queues[0]))
    scheduled = sorted((one for one in functions if one.every), key=lambda one: not one.sends_to)
    endpoints = [one for one in functions if one.routes]
    lines = [
        *(f"{caller} --> {_box(one)}" for one in endpoints for caller in _callers(one)),
        *(f"operators --> {_box(one)}" for one in functions if _is_authorizer(one)),
        *(f"{one.name} --> Leads[(Leads)]" for one in endpoints if one.table == "writes"),
        *(f"Leads -->|stream| {_box(one)}" for one in functions if one.stream),
        *(f"{one.name} --> Bus{{{{Bus}}}}" for one in functions if "Bus" in one.sends_to),
        *(f"Bus -->|{rule.name}| {rule.queue}[/{rule.queue}/]" for rule in application().rules),
        *_group("workers", map(_box, workers)),
        *(f"{queue}[/{queue}/] --> {one.name}" for one in workers for queue in one.queues),
        *_group("scheduled", (f'{one.name}["{one.flow}<br/>{one.every}"]' for one in scheduled)),
        *(f"{one.name} --> {queue}" for one in scheduled for queue in one.sends_to),
        *dict.fromkeys(
            f'{one.name} --> {_id(partner)}(["{partner}"])'
            for one in [*workers, *scheduled]
            for partner in one.partners
        ),
        "workers -.->|results| Leads",
        "scheduled -.- Leads",
        *LOOK,
        f"class {','.join(sorted(one.name for one in functions))} function",
        f"class {','.join(sorted({_id(partner) for one in functions for partner in one.partners}))} partner",
        "class Leads store",
    ]
    return _mermaid("flowchart LR", lines)


def functions_table() -> str:
    """The callers and the permissions of each function."""
    rows = ["| function | called by | table | sends to | calls | failures go to |", "|---|---|---|---|---|---|"]
    for one in application().functions:
        called_by = [*_code(*one.routes, *one.queues), *(["the table's stream"] if one.stream else [])]
        called_by += [f"schedule, {one.every}"] if one.every else []
        called_by = ["the gateway, before every operator's route"] if _is_authorizer(one) else called_by
        columns = (_code(one.name), called_by, [one.table], _code(*one.sends_to), one.partners, _code(*one.failures_to))
        rows.append(f"| {' | '.join(', '.join(column) for column in columns)} |")
    return re.sub(r"\|  (?=\|)", "| ", "\n".join(rows))


def queues_table() -> str:
    """The senders and the consumer of each queue, and its dead-letter queue."""
    rows = ["| queue | filled by | emptied by | dead letters go to |", "|---|---|---|---|"]
    for queue, dead_letters in application().queues.items():
        if not dead_letters:
            continue
        rules = [f"`{rule.name}` ({rule.condition})" for rule in application().rules if rule.queue == queue]
        senders = _code(*(one.name for one in application().functions if queue in one.sends_to))
        workers = _code(*(one.name for one in application().functions if queue in one.queues))
        rows.append(f"| `{queue}` | {', '.join([*rules, *senders])} | {', '.join(workers)} | `{dead_letters}` |")
    return "\n".join(rows)


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
    "functions": functions_table,
    "queues": queues_table,
    "delivery": lambda: states("received", DELIVERY),
    "message": lambda: states("pending", MESSAGE),
    "fetch": lambda: states("pending", FETCH),
    "postback": lambda: states("pending", POSTBACK),
}


def drawn(page: str) -> str:
    """Return the text of a page with its present diagrams."""
    return PLACE.sub(lambda place: f"{place[1]}{place[2]}{PICTURES[place[1]]()}\n", page)


def _is_authorizer(one: Function) -> bool:
    return not (one.routes or one.queues or one.stream or one.every)


def _callers(endpoint: Function) -> Iterable[str]:
    """The callers of a function's routes, as nodes."""
    paths = [route.partition(" ")[2] for route in endpoint.routes]
    return dict.fromkeys(
        next((node for start, node in CALLERS.items() if path.startswith(start)), OPERATORS) for path in paths
    )


def _box(one: Function) -> str:
    return f"{one.name}[{one.flow}]"


def _group(title: str, nodes: Iterable[str]) -> Iterator[str]:
    yield f'subgraph {title}["{title}"]'
    yield from (f"  {node}" for node in nodes)
    yield "end"


def _code(*names: str) -> list[str]:
    return [f"`{name}`" for name in names]


def _mermaid(kind: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", kind, *(f"  {line}" for line in lines), "```"])


def _id(partner: str) -> str:
    return "".join(filter(str.isalpha, partner))


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
