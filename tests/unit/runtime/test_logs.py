"""What is measured of calls to partners: few metrics, one line a call, and nobody in it."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from leadbridge.domain.errors.secret_errors import SecretMissing, SecretUnusable
from leadbridge.partners.http import Call, CallOutcome
from leadbridge.runtime.logs import (
    MAX_VALUES,
    calls_in_one_record,
    count_version_fault,
    metrics,
    record_call,
    record_tracker_call,
)


def noted(capsys: pytest.CaptureFixture[str], outcome: CallOutcome) -> dict[str, object]:
    """The line that one call makes."""
    record_call(Call("leeloo", "send_message", outcome, 12.345))
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, object] = json.loads(line)
    return found


def test_a_call_is_measured_by_its_partner_alone(capsys: pytest.CaptureFixture[str]) -> None:
    line = noted(capsys, CallOutcome.ANSWERED)
    envelope = line.pop("_aws")
    assert isinstance(envelope, dict)
    (metrics,) = envelope["CloudWatchMetrics"]
    assert metrics["Dimensions"] == [["partner"]]
    assert {one["Name"]: one["Unit"] for one in metrics["Metrics"]} == {
        "PartnerLatency": "Milliseconds",
        "PartnerErrors": "Count",
    }


def test_a_tracker_with_the_name_of_a_partner_does_not_mix_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    record_tracker_call(Call("leeloo", "postback", CallOutcome.FAILED, 1.0))
    line = json.loads(capsys.readouterr().out)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["tracker"]]
    assert "partner" not in line


@pytest.mark.parametrize(
    ("outcome", "errors"), [(CallOutcome.ANSWERED, 0), (CallOutcome.LOST, 1), (CallOutcome.RATE_LIMITED, 1)]
)
def test_every_call_counts_as_an_error_or_as_none(
    capsys: pytest.CaptureFixture[str], outcome: CallOutcome, errors: int
) -> None:
    line = noted(capsys, outcome)
    assert (line["PartnerLatency"], line["PartnerErrors"]) == ([12.3], [errors])


def test_the_line_says_which_call_it_was_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    line = noted(capsys, CallOutcome.FAILED)
    assert line.keys() == {
        *("_aws", "partner", "service", "operation", "outcome"),
        *("PartnerLatency", "PartnerErrors"),
    }
    assert (line["partner"], line["operation"], line["outcome"]) == ("leeloo", "send_message", "failed")


@pytest.mark.parametrize("error", [SecretMissing("leadbridge/index"), SecretUnusable("leadbridge/index")])
def test_a_secret_without_a_usable_value_is_no_fault_of_a_version(
    capsys: pytest.CaptureFixture[str], error: SecretMissing
) -> None:
    metrics.clear_metrics()
    count_version_fault(error)
    assert capsys.readouterr().out == ""
    assert metrics.metric_set.keys() == {"SecretUnusable"}
    metrics.clear_metrics()


def test_calls_of_a_batch_share_records_and_each_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def call(number: int) -> None:
        outcome = CallOutcome.FAILED if number % 10 == 0 else CallOutcome.ANSWERED
        record_call(Call("leadleader", "status", outcome, float(number)))

    with calls_in_one_record(), ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(130)))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(len(line["PartnerLatency"]) for line in lines) == [130 - MAX_VALUES, MAX_VALUES]
    assert sorted(value for line in lines for value in line["PartnerLatency"]) == [float(one) for one in range(130)]
    assert sum(sum(line["PartnerErrors"]) for line in lines) == 13
    assert sum(line["calls"].get("status.failed", 0) for line in lines) == 13
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["partner"]] for line in lines)
    call(1)
    assert len(capsys.readouterr().out.splitlines()) == 1, "after the batch each call has its own line again"


def test_calls_before_an_error_of_a_batch_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(LookupError), calls_in_one_record():
        record_call(Call("leadleader", "status", CallOutcome.ANSWERED, 1.0))
        raise LookupError
    assert json.loads(capsys.readouterr().out)["PartnerLatency"] == [1.0]
