"""The metrics that the template's alarms and dashboard look at, and those that the code makes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from leadbridge.services.worker import Outcome
from quality.testkit.template import ROOT, resources
from tools.config import read_toml

OWN = "${AWS::StackName}"
FUNCTIONS, LAYER = ROOT / "functions", ROOT / "layers/leadbridge/leadbridge"
SERVICES = {
    "Submission": "submit_lead",
    "Check": "check_status",
    "Message": "send_message",
    "Fetch": "fetch_lead",
    "Feedback": "send_feedback",
}
PACKAGES = {"submit_lead": "submission", "send_feedback": "feedback"}  # what belongs to a service alone
CALLS = {"PartnerLatency", "PartnerErrors"}
# Metrics Insights. An alarm of several series needs both clauses.
QUERY = re.compile(r'SELECT (?P<of>\w+)\((\w+)\) FROM SCHEMA\("([^"]+)", (\w+)\) GROUP BY \4 ORDER BY (?P=of)\(\) DESC')
SEARCH = re.compile(r"""SEARCH\('\{"([^"]+)",(\w+)\} MetricName="(\w+)"', '\w+', \d+\)""")

type Ways = set[tuple[str, ...]]

BY_FUNCTION: Ways = {("FunctionName",)}
BY_VERSION: Ways = {("FunctionName", "Resource", "ExecutedVersion")}
BY_API: Ways = {("ApiName",), ("ApiName", "Stage")}
BY_RULE: Ways = {("EventBusName", "RuleName")}  # of a bus that is not the account's own
BY_TABLE: Ways = {("TableName",), ("TableName", "GlobalSecondaryIndexName")}
# AWS's own metrics, with their dimensions.
OF_AWS: dict[str, dict[str, Ways]] = {
    "AWS/Lambda": {
        "Duration": BY_FUNCTION,
        "Errors": BY_FUNCTION | BY_VERSION,
        "IteratorAge": BY_FUNCTION,
        "Throttles": BY_FUNCTION,
    },
    "AWS/Events": {"FailedInvocations": BY_RULE, "InvocationsFailedToBeSentToDlq": BY_RULE},
    "AWS/SQS": {
        "ApproximateNumberOfMessagesVisible": {("QueueName",)},
        "ApproximateAgeOfOldestMessage": {("QueueName",)},
    },
    "AWS/ApiGateway": {"4XXError": BY_API, "5XXError": BY_API, "Count": BY_API, "Latency": BY_API},
    "AWS/DynamoDB": {
        "ConsumedReadCapacityUnits": BY_TABLE,
        "ConsumedWriteCapacityUnits": BY_TABLE,
        "ReadThrottleEvents": BY_TABLE,
        "SystemErrors": {("TableName", "Operation")},
        "WriteThrottleEvents": BY_TABLE,
    },
}


@dataclass(frozen=True)
class Metric:
    """One metric as CloudWatch knows it; what `!Ref X` and `!GetAtt X.Y` give stands there as `${X}`, `${X.Y}`."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]

    @property
    def is_made(self) -> bool:
        """Whether AWS or the code of the flow that it names makes it."""
        names = tuple(name for name, _ in self.dimensions)
        if self.namespace != OWN:
            return names in OF_AWS[self.namespace].get(self.name, set())
        match self.dimensions:
            case (("service", flow),):
                return self.name in counted_by(flow)
            case (("service", flow), ("version", _)):
                return self.name == "Faults" and is_blamed(flow)
            case (("partner", partner),):
                observed = observed_partners() if self.name in CALLS else synced_partners()
                return self.name in CALLS | measured_of_partners() and partner in observed
            case _:
                return False

    @property
    def resources(self) -> set[str]:
        """The logical ids of what it is about."""
        text = " ".join([self.namespace, *(value for _, value in self.dimensions)])
        return {name.partition(".")[0] for name in re.findall(r"\$\{([\w.]+)\}", text)}


def watched_by(alarm: dict[str, Any]) -> list[Metric]:
    """The metrics of an alarm: plain, of an expression, or found by a query."""
    properties = alarm["Properties"]
    queries = [query for query in map(query_of, properties.get("Metrics", ())) if query is not None]
    if queries:
        return [metric for query in queries for metric in of_every_partner(query[3], query[2], query[4])]
    found = [one["MetricStat"]["Metric"] for one in properties.get("Metrics", ()) if "MetricStat" in one]
    return [
        Metric(
            _text(one["Namespace"]),
            one["MetricName"],
            tuple((dimension["Name"], _text(dimension["Value"])) for dimension in one["Dimensions"]),
        )
        for one in found or [properties]
    ]


def query_of(line: dict[str, Any]) -> re.Match[str] | None:
    """The query of an alarm's line, if it has one."""
    return QUERY.fullmatch(_text(line.get("Expression", "")))


def of_every_partner(namespace: str, name: str, dimension: str) -> list[Metric]:
    """The metrics of a name with the dimension `partner`, as a query or a search finds them."""
    partners = observed_partners() if name in CALLS else synced_partners()
    return [Metric(namespace, name, ((dimension, partner),)) for partner in sorted(partners)]


def dashboard_body() -> str:
    """The dashboard's JSON before anything is put into it."""
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    return str(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])


def shown_by(widget: dict[str, Any]) -> Iterator[Metric]:
    """The metrics of one of the dashboard's widgets, written out."""
    before: list[str] = []
    for row in widget["properties"]["metrics"]:
        if "expression" in row[0]:
            search = SEARCH.fullmatch(row[0]["expression"])
            assert search is not None, row
            yield from of_every_partner(search[1], search[3], search[2])
            continue
        texts = [part for part in row if isinstance(part, str)]
        if texts[0] == "...":
            texts = [*before[: len(before) - len(texts) + 1], *texts[1:]]
        before = [before[place] if part == "." else part for place, part in enumerate(texts)]
        namespace, name, *dimensions = before
        yield Metric(namespace, name, tuple(zip(dimensions[::2], dimensions[1::2], strict=True)))


@cache
def widgets() -> list[dict[str, Any]]:
    """All of the dashboard's widgets."""
    found: list[dict[str, Any]] = json.loads(dashboard_body())["widgets"]
    return found


@cache
def counted_by(flow: str) -> frozenset[str]:
    """The names that a flow's code counts or measures, in its app and in what it shares with others."""
    found: set[str] = set()
    for file in _files(FUNCTIONS / flow / "app.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="count" | "measure"), args=[name, *_]):
                    found |= _names(name)
                case ast.Call(func=ast.Name(id="refusal_of"), args=[_, name]):
                    found |= _names(name)
                case ast.Call(
                    func=ast.Name(id="record_outcome" | "record_batch"), args=[ast.Constant(value=str(visited)), *_]
                ):
                    found |= {f"{visited}.{outcome}" for outcome in outcomes_of(SERVICES[visited])}
    return frozenset(found)


@cache
def measured_of_partners() -> frozenset[str]:
    """The names that are measured with the dimension `partner`, apart from those of calls."""
    text = "".join(file.read_text(encoding="utf-8") for file in (LAYER / "services").rglob("*.py"))
    return frozenset(re.findall(r'measure_of_partner\("(\w+)"', text))


def synced_partners() -> frozenset[str]:
    """The partners whose accounts are synced."""
    configured = read_toml(ROOT / "config", "prod")["partners"]
    return frozenset(name for name, partner in configured.items() if "sync" in partner)


@cache
def outcomes_of(service: str) -> frozenset[Outcome]:
    """The outcomes that a service names: in its module, its package, or what it calls of the workers' core."""
    core = ast.parse((LAYER / "services" / "worker.py").read_text(encoding="utf-8"))
    methods = {node.name: node for node in ast.walk(core) if isinstance(node, ast.FunctionDef)}
    found: set[Outcome] = set()
    package = [*(LAYER / "services" / PACKAGES[service]).glob("*.py")] if service in PACKAGES else []
    own = LAYER / "services" / f"{service}.py"
    files = [*([own] if own.exists() else []), *package]
    left: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    while left:
        for node in ast.walk(left.pop()):
            match node:
                case ast.Attribute(value=ast.Name(id="Outcome"), attr=name):
                    found.add(Outcome[name])
                case ast.Attribute(value=ast.Name(id="self") | ast.Call(func=ast.Name(id="super")), attr=name):
                    if name in methods:
                        left.append(methods.pop(name))
    return frozenset(found)


@cache
def is_blamed(flow: str) -> bool:
    """Whether a flow's code lays faults to its version."""
    files = _files(FUNCTIONS / flow / "app.py")
    return any(
        re.search(r"^\s+count_version_fault\(\w+\)$", file.read_text(encoding="utf-8"), re.MULTILINE) for file in files
    )


@cache
def observed_partners() -> frozenset[str]:
    """The partners whose calls are measured: those with a wiring of their own, and those of the configuration."""
    wirings = {one.parent.name: one.read_text(encoding="utf-8") for one in (LAYER / "partners").rglob("wiring.py")}
    observed = {name for name, text in wirings.items() if "observer=record_call" in text}
    configured = read_toml(ROOT / "config", "prod")["partners"] if "partners" in observed else {}
    return frozenset({*observed - {"partners"}, *configured})


def _names(argument: ast.expr) -> set[str]:
    match argument:
        case ast.Constant(value=str(name)):
            return {name}
        case ast.IfExp(body=body, orelse=orelse):
            return _names(body) | _names(orelse)
        case ast.Name(id="metric"):
            return set()  # refusal_of's own; its caller names the metric
        case ast.JoinedStr(values=[ast.FormattedValue(value=ast.Name(id="flow")), *_]):
            return set()  # record_outcome's own; its caller names the flow
        case _:
            raise ValueError(f"a metric without a plain name: {ast.unparse(argument)}")


def _files(app: Path) -> set[Path]:
    """An app, the partners' wirings and the modules without a flow of their own that it imports, directly or not."""
    found, left = {app}, [app]
    services = r"services\.(?:dead_letters[\w.]*|sync_metrics|outcomes)"
    shared = rf"(?:api|auth|runtime)\.[\w.]+|{services}|partners\.(?:\w+\.)?wiring"
    imports = re.compile(rf"^ *from leadbridge\.({shared}) import", re.MULTILINE)
    while left:
        for name in imports.findall(left.pop().read_text(encoding="utf-8")):
            module = LAYER / f"{name.replace('.', '/')}.py"
            routes = (LAYER / "api" / "routes").glob("*.py") if name == "api.router" else []
            new = {one for one in (module, *routes) if one.exists()} - found
            found |= new
            left += new
    return found - {LAYER / "runtime" / "logs.py"}


def _text(value: Any) -> str:
    match value:
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::Sub": text}:
            return str(text)
        case {"Fn::GetAtt": parts}:
            return f"${{{'.'.join(parts)}}}"
        case _:
            return str(value)
