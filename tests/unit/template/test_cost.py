"""What is said of the cost is what the script says, and it knows all that the template makes."""

import re
from collections import Counter

import pytest

from quality.benchmarks import cost, shipped
from quality.benchmarks.report import updated
from quality.testkit.aws.capacity import Meter
from quality.testkit.fakes.processed import of_type, processed
from quality.testkit.fakes.watched import observed_partners
from quality.testkit.template import ROOT, resources

Write = dict[str, dict[str, object]]


def put(sk: str, **attributes: str) -> Write:
    item = {"pk": {"S": "LEAD#a"}, "sk": {"S": sk}} | {name: {"S": text} for name, text in attributes.items()}
    return {"Put": {"Item": item}}


def test_the_page_has_the_figures_that_the_script_prints() -> None:
    current = updated(cost.PAGE, cost.tables()) == cost.PAGE.read_text(encoding="utf-8")
    assert current, "run python -m quality.benchmarks.cost --write"


def test_every_function_that_was_measured_is_in_the_template() -> None:
    assert set(cost.MEASURED["functions"]) <= set(resources("AWS::Serverless::Function"))
    assert {"ReceiveLead", "PublishChanges", "SubmitLead", "CheckStatus", "SendMessage", "UpdateStats"} == set(
        cost.MEASURED["functions"]
    )


def test_every_price_says_where_it_is_from_and_whether_it_was_verified() -> None:
    rows = {what: checked for what, *_, checked in cost.tables()["Prices"]}
    for name, one in cost.DATA["prices"].items():
        assert one["source"], name
        assert re.fullmatch(r"|\d{4}-\d\d-\d\d", one["checked"]), name
        assert rows[one["what"]] == (one["checked"] or "not verified")


def test_whatever_the_template_makes_is_counted_or_has_a_reason_not_to_be() -> None:
    known, prices = cost.DATA["resources"], cost.DATA["prices"]
    assert known.keys() == {one["Type"] for one in processed().values()}
    for kind, one in known.items():
        assert one.keys() in ({"counted"}, {"not_counted"}), kind
        assert all(one.values()), kind
        assert set(one.get("counted", [])) <= prices.keys(), kind
    assert {name for one in known.values() for name in one.get("counted", [])} == prices.keys()


def test_no_price_is_known_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    charged: Counter[str] = Counter()
    plain = cost.price

    def price(name: str, quantity: float) -> float:
        charged[name] += quantity > 0
        return plain(name, quantity)

    monkeypatch.setattr(cost, "price", price)
    cost.by_service(polling=False)
    cost.fixed()
    assert {name for name, times in charged.items() if times} == cost.DATA["prices"].keys()


def test_an_alarm_is_paid_by_each_metric_that_it_reads() -> None:
    alarms = cost.alarm_metrics()
    read = {
        name: str(one).count("'MetricName':") or len(observed_partners())
        for name, one in of_type("AWS::CloudWatch::Alarm").items()
    }
    assert alarms == read
    assert max(read.values()) > 1
    assert cost.fixed()[f"{len(read)} alarms of {sum(read.values())} metrics"] == pytest.approx(
        sum(read.values()) * 0.1
    )


def test_alarms_are_of_the_resolution_that_the_price_is_for() -> None:
    for name, alarm in of_type("AWS::CloudWatch::Alarm").items():
        metrics = (
            [one.get("MetricStat", one) for one in alarm["Metrics"] if "MetricStat" in one or "Period" in one]
            if "Metrics" in alarm
            else [alarm]
        )
        assert metrics
        assert all(one["Period"] >= 60 for one in metrics), name


def test_every_schedule_is_counted() -> None:
    ticks = cost.ticks()
    assert len(ticks) == len(of_type("AWS::Scheduler::Schedule"))
    assert [round(cost.MONTH / times) for times in ticks.values()] == [60, 300, 900, 3600, 3600]
    assert "schedules: find_due, sync_accounts, send_alert, update_stats, detect_stale_sources" in cost.fixed()


def test_the_init_of_a_cold_start_is_paid_as_often_as_is_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cost.inits().keys() == set(resources("AWS::Serverless::Function"))
    assert all(20 < milliseconds < 5000 for milliseconds in cost.inits().values())
    monkeypatch.setattr(cost, "assumed", {"cold_share": 1.0}.__getitem__)
    monkeypatch.setattr(cost, "inits", lambda: {"CheckStatus": 200.0})
    assert cost.init_gb_seconds("CheckStatus") == pytest.approx(0.2 * shipped.memory("CheckStatus") / 1024)


def test_the_page_on_watching_leaves_prices_to_this_one() -> None:
    _, _, section = (ROOT / "docs" / "watching.md").read_text(encoding="utf-8").partition("## What it costs\n")
    assert "(cost.md#each-month-whatever-comes)" in section
    assert not re.search(r"\$|dollar|cent", section)


def test_checks_follow_from_the_shipped_cadence() -> None:
    assert cost.checks() == 11  # docs/status-checks.md


@pytest.mark.parametrize(
    ("writes", "units"),
    [
        ([put("EVENT#1", what="x")], 2),  # twice in a transaction
        ([put("EVENT#1", what="x" * 1100)], 4),  # by the KB
        ([put("DELIVERY#x", due_shard="x", due_at="1")], 3),  # an index more
        ([put("LEAD", listed="lead", received_key="1"), put("EVENT#1")], 5),
    ],
)
def test_a_transaction_costs_twice_and_an_index_its_own(writes: list[Write], units: float) -> None:
    meter = Meter()
    meter.count("TransactWriteItems", {"TransactItems": writes}, {})
    assert meter.written == units


def test_an_index_costs_two_writes_where_its_key_changes_and_none_where_nothing_does() -> None:
    meter = Meter()
    for due_at, more in (("1", 3), ("2", 4), ("2", 2)):
        before = meter.written
        write = put("DELIVERY#x", due_shard="x", due_at=due_at, note=due_at)
        meter.count("TransactWriteItems", {"TransactItems": [write]}, {})
        assert meter.written - before == more


def test_a_consistent_read_costs_twice_an_old_one() -> None:
    meter = Meter()
    meter.count("GetItem", {"ConsistentRead": True}, {"Item": put("x", text="x" * 5000)["Put"]["Item"]})
    meter.count("Query", {}, {"Items": []})
    assert meter.read == 2.5
