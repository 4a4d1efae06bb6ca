"""Structured logs and metrics, one of each per worker. Logs name a lead by its id and hold nothing about the person.

Libraries log addresses with their queries, headers and bodies, and warnings quote values. Lambda's runtime prints all
records of the root logger. So a record of any other logger keeps only its level and its logger's name.
"""

from __future__ import annotations

import logging
import os
import warnings
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit, single_metric

if TYPE_CHECKING:
    from leadbridge.partners.http import Call

# An invocation that counts nothing is no reason to print a warning among the log's JSON.
warnings.filterwarnings("ignore", message="No application metrics to publish")

_FLOW = os.environ.get("LEADBRIDGE_FLOW", "leadbridge")
_VERSION = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "leadbridge")

# What is logged is words, and no JSON that Powertools should try to read first.
logger = Logger(service=_FLOW, log_uncaught_exceptions=False, json_deserializer=str)
metrics = Metrics(namespace=_NAMESPACE, service=_FLOW)
_OWN = frozenset({_FLOW, "leadbridge"})


class StrippedRecord(logging.LogRecord):
    """A log record. One of a foreign logger keeps only the logger's name, the level and an exception's type."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if self.name.partition(".")[0] in _OWN:
            return
        kind = self.exc_info[0] if self.exc_info else None
        raised = f" ({kind.__name__})" if kind else ""
        self.msg, self.args = f"third-party {self.levelname.lower()} from {self.name}{raised}", ()
        self.exc_info = self.exc_text = self.stack_info = None


def silence_libraries() -> None:
    """Strip the records of all loggers but our own, and send Python's warnings through a logger, which strips them."""
    logging.setLogRecordFactory(StrippedRecord)
    logging.captureWarnings(True)


silence_libraries()

# One for all calls: to make it is a third of what it costs to use it.
_call, _call_is_noted = EphemeralMetrics(namespace=_NAMESPACE), Lock()


def count(name: str, number: float = 1) -> None:
    """Add to the count of something that happened in this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def count_version_fault(error: BaseException) -> None:
    """Count a version-scoped fault. CodeDeploy rolls back on this metric.

    For errors that no stranger, form or operator can cause. A transient error of AWS, such as throttling or a time-out,
    is counted as `TransientErrors` instead, and an error with a metric of its own, `counted_as`, as that: these are no
    fault of a version.
    """
    from leadbridge.runtime.aws_errors import is_transient

    if is_transient(error):
        count("TransientErrors")
        return
    if counted_as := getattr(error, "counted_as", None):
        count(counted_as)
        return
    with single_metric("Faults", MetricUnit.Count, 1, namespace=_NAMESPACE) as faults:
        faults.add_dimension("service", _FLOW)
        faults.add_dimension("version", _VERSION)


def measure(name: str, value: float, unit: Literal["Seconds", "Percent"]) -> None:
    """Note how something stands in this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit(unit), value=value)


def record_call(call: Call) -> None:
    """Measure a call to a partner, by the partner alone: which flow called what is in the line, and makes no metric.

    `PartnerErrors` is 0 or 1 for each call, so that its sum counts errors, its average is their share, and its number
    of samples counts calls. The line is written at once: what kills the invocation later does not take it along.
    """
    with _call_is_noted:
        try:
            _call.add_dimension("partner", call.partner)
            _call.add_metric("PartnerLatency", MetricUnit.Milliseconds, round(call.milliseconds, 1))
            _call.add_metric("PartnerErrors", MetricUnit.Count, int(call.is_error))
            for name, value in {"service": _FLOW, "operation": call.operation, "outcome": call.outcome.value}.items():
                _call.add_metadata(name, value)
            _call.flush_metrics()
        finally:
            _call.clear_metrics()  # also what could not be written: it is nothing of the next call's
