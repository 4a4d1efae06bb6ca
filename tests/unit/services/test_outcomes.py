"""What a visit leaves behind it for those who watch."""

import json
from datetime import timedelta
from enum import StrEnum

import pytest

from leadbridge.domain.errors.partner_errors import Misconfigured, PartnerError, RateLimited, Unknown
from leadbridge.partners.http import Answer, interception_error
from leadbridge.runtime.logs import metrics
from leadbridge.services.outcomes import record_batch, record_outcome
from leadbridge.services.worker import Outcome as WorkerOutcome
from leadbridge.services.worker import Result


class Outcome(StrEnum):
    """Of a flow that there is none of."""

    AGAIN = "retried"
    UNKNOWN = "unknown"


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (None, set()),
        (Unknown("leadleader", "create", "no answer came back"), set()),
        (Misconfigured("leadleader", "authorize", "the password is wrong"), {"PartnerMisconfigured"}),
        (interception_error("leadleader", "create", Answer(403, {}, b"<html>")), {"PartnerBlocked"}),
        (RateLimited("leeloo", "send_message", "the partner asked us to wait"), {"PartnerRateLimited"}),
    ],
)
def test_a_visit_is_counted_by_what_it_came_to_and_what_the_partner_did(
    error: PartnerError | None, counted: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    metrics.clear_metrics()
    record_outcome("Flow", Outcome.AGAIN, error)
    metrics.flush_metrics()
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {one["Name"] for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == {"Flow.retried", *counted}


@pytest.mark.parametrize(
    ("outcome", "error", "faults"),
    [
        (Outcome.UNKNOWN, Unknown("leadleader", "create", "no answer came back"), 1),
        (Outcome.UNKNOWN, None, 0),  # a worker died: whose version that was, this one cannot tell
        (Outcome.AGAIN, Unknown("leadleader", "create", "no answer came back"), 0),
    ],
)
def test_a_reply_that_this_worker_lost_for_good_is_laid_to_its_version(
    outcome: Outcome, error: PartnerError | None, faults: int, capsys: pytest.CaptureFixture[str]
) -> None:
    record_outcome("Flow", outcome, error)
    metrics.clear_metrics()
    assert capsys.readouterr().out.count('"Faults":[1.0]') == faults


def test_its_line_says_why_and_when_it_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    error = RateLimited("leeloo", "send_message", "the partner asked us to wait")
    with caplog.at_level("INFO"):
        record_outcome("Flow", Outcome.AGAIN, error, timedelta(seconds=90))
    metrics.clear_metrics()
    line = vars(caplog.records[-1])
    assert (line["message"], line["outcome"], line["again_in_seconds"]) == ("visited", "retried", 90.0)
    assert line["reason"] == "the partner asked us to wait"


def test_a_batch_is_one_line_with_the_leads_to_which_something_happened(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = RateLimited("leadleader", "status", "slow down")
    results = {f"ld_{number}": Result(WorkerOutcome.UNCHANGED) for number in range(40)}
    results |= {"ld_a": Result(WorkerOutcome.CHANGED), "ld_b": Result(WorkerOutcome.CHECK_FAILED, error=limited)}
    metrics.clear_metrics()
    with caplog.at_level("INFO"):
        record_batch("Check", results)
    metrics.flush_metrics()
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    counted = ("Check.unchanged", "Check.changed", "Check.check_failed", "PartnerRateLimited")
    assert [measured[name] for name in counted] == [[40.0], [1.0], [1.0], [1.0]]
    (line,) = map(vars, caplog.records)
    assert (line["leads"], line["reasons"]) == (
        {"changed": ["ld_a"], "check_failed": ["ld_b"]},
        {"slow down": 1},
    )
