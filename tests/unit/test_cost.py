"""What is said of the cost is what the script says, and it knows all that the template makes."""

import re

import pytest

from benchmarks import cost
from benchmarks.capacity import Meter
from benchmarks.cost_page import page
from tests.template import resources

Write = dict[str, dict[str, object]]


def put(sk: str, **attributes: str) -> Write:
    item = {"pk": {"S": "LEAD#a"}, "sk": {"S": sk}} | {name: {"S": text} for name, text in attributes.items()}
    return {"Put": {"Item": item}}


def test_the_page_has_the_figures_that_the_script_prints() -> None:
    _, _, rest = cost.PAGE.read_text(encoding="utf-8").partition(cost.BEGIN)
    assert rest.partition(cost.END)[0] == page(), "run python -m benchmarks.cost --write"


def test_every_function_that_was_measured_is_in_the_template() -> None:
    assert set(cost.measured()["functions"]) <= set(resources("AWS::Serverless::Function"))
    assert {"ReceiveLead", "PublishChanges", "SubmitLead", "CheckStatus", "SendMessage"} == set(
        cost.measured()["functions"]
    )


def test_every_price_says_where_it_is_from_and_whether_it_was_verified() -> None:
    for name, one in cost.data()["prices"].items():
        assert one["source"], name
        assert re.fullmatch(r"|\d{4}-\d\d-\d\d", one["checked"]), name
        row = next(line for line in page().splitlines() if line.startswith(f"| {one['what']} |"))
        assert row.endswith(f"| {one['checked'] or 'not verified'} |")


def test_checks_follow_from_the_shipped_cadence() -> None:
    assert cost.checks() == 29 + 92 + 24  # every 2 minutes for an hour, 15 for a day, 2 hours for two days more


@pytest.mark.parametrize(
    ("writes", "units"),
    [
        ([put("EVENT#1", what="x")], 2),  # twice in a transaction
        ([put("EVENT#1", what="x" * 1100)], 4),  # by the KB
        ([put("DELIVERY#x", due_partner="x", due_at="1")], 3),  # an index more
        ([put("LEAD", listed="lead", received_key="1"), put("EVENT#1")], 5),
    ],
)
def test_a_transaction_costs_twice_and_an_index_its_own(writes: list[Write], units: float) -> None:
    meter = Meter()
    meter.note("TransactWriteItems", {"TransactItems": writes}, {})
    assert meter.written == units


def test_an_index_costs_two_writes_where_its_key_changes_and_none_where_nothing_does() -> None:
    meter = Meter()
    for due_at, more in (("1", 3), ("2", 4), ("2", 2)):
        before = meter.written
        write = put("DELIVERY#x", due_partner="x", due_at=due_at, note=due_at)
        meter.note("TransactWriteItems", {"TransactItems": [write]}, {})
        assert meter.written - before == more


def test_a_consistent_read_costs_twice_an_old_one() -> None:
    meter = Meter()
    meter.note("GetItem", {"ConsistentRead": True}, {"Item": put("x", text="x" * 5000)["Put"]["Item"]})
    meter.note("Query", {}, {"Items": []})
    assert meter.read == 2.5
