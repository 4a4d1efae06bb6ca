"""The dashboard shows what there is: metrics that are made, of things that exist, and all that can stand still."""

import json
import re
from itertools import combinations

from quality.testkit.fakes.watched import (
    CALLS,
    FUNCTIONS,
    OWN,
    Metric,
    counted_by,
    dashboard_body,
    observed_partners,
    shown_by,
    widgets,
)
from quality.testkit.template import ROOT, resources, template

SHOWN = [metric for widget in widgets() for metric in shown_by(widget)]
PSEUDO = {"AWS::StackName", "AWS::Region"}
COLUMNS = 24


def shown(name: str) -> set[str]:
    """By what the metrics of a name are shown: the values of their first dimension."""
    return {metric.dimensions[0][1] for metric in SHOWN if metric.name == name}


def test_it_is_json_when_everything_is_put_in() -> None:
    body = re.sub(r"\$\{[^}]+\}", "leadbridge-prod_1.x", dashboard_body())
    assert len(json.loads(body)["widgets"]) == len(widgets())


def test_what_is_put_in_exists() -> None:
    named = {name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", dashboard_body())}
    assert named <= template()["Resources"].keys() | PSEUDO


def test_its_indexes_are_the_tables() -> None:
    known = {one["IndexName"] for one in template()["Resources"]["Leads"]["Properties"]["GlobalSecondaryIndexes"]}
    named = {value for metric in SHOWN for name, value in metric.dimensions if name == "GlobalSecondaryIndexName"}
    assert named <= known


def test_every_metric_is_made_somewhere() -> None:
    assert [metric for metric in SHOWN if not metric.is_made] == []


def test_a_metric_that_nothing_makes_is_noticed() -> None:
    """The check itself: it knows a flow that counts something else, an outcome that is none, a dimension too many."""
    service = ("service", "receive_lead")
    assert Metric(OWN, "LeadsReceived", (service,)).is_made
    assert not Metric(OWN, "LeadsReceived", (("service", "find_due"),)).is_made
    assert not Metric(OWN, "Submission.lost", (("service", "submit_lead"),)).is_made
    assert not Metric(OWN, "PartnerErrors", (("partner", "leeloo"), service)).is_made
    assert not Metric("AWS/DynamoDB", "SystemErrors", (("TableName", "${Leads}"),)).is_made


def test_every_function_queue_of_dead_letters_and_partner_is_on_it() -> None:
    functions = {f"${{{name}}}" for name in resources("AWS::Serverless::Function")}
    queues = {f"${{{name}.QueueName}}" for name in resources("AWS::SQS::Queue") if "DeadLetter" in name}
    assert shown("Errors") == shown("Duration") == shown("Throttles") == functions
    assert shown("ApproximateNumberOfMessagesVisible") == queues
    assert shown("PartnerLatency") == shown("PartnerErrors") == observed_partners()


def test_every_metric_of_our_own_is_explained() -> None:
    flows = [path.parent.name for path in FUNCTIONS.glob("*/app.py")]
    names = {name.partition(".") for flow in flows for name in counted_by(flow)}
    text = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8")
    told = {*re.findall(r"\w+", text)}
    missing = {part for name, _, outcome in names for part in (name, outcome) if part} - told
    assert missing == set()
    assert told >= CALLS | observed_partners()


def test_no_widget_lies_over_another_or_beside_the_page() -> None:
    places = [(one["x"], one["y"], one["x"] + one["width"], one["y"] + one["height"]) for one in widgets()]
    assert max(right for _, _, right, _ in places) <= COLUMNS
    for one, other in combinations(places, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
