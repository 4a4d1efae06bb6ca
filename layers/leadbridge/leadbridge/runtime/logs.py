"""Structured logs and metrics. Logs contain ids of leads, and no personal data.

Libraries log URLs with queries, headers and bodies, and their warnings contain values. Lambda's runtime prints all
records of the root logger. Therefore records of foreign loggers keep only their level and the logger's name.
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

# Powertools would print this warning, which is not JSON, for an invocation without metrics.
warnings.filterwarnings("ignore", message="No application metrics to publish")

_FLOW = os.environ.get("LEADBRIDGE_FLOW", "leadbridge")
_VERSION = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "leadbridge")

# Messages are plain text. By default, Powertools tries to parse each as JSON.
logger = Logger(service=_FLOW, log_uncaught_exceptions=False, json_deserializer=str)
metrics = Metrics(namespace=_NAMESPACE, service=_FLOW)
_OWN = frozenset({_FLOW, "leadbridge"})


class StrippedRecord(logging.LogRecord):
    """A log record. A foreign logger's record keeps only the logger's name, the level and the exception's type."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        if self.name.partition(".")[0] in _OWN:
            return
        kind = self.exc_info[0] if self.exc_info else None
        raised = f" ({kind.__name__})" if kind else ""
        self.msg, self.args = f"third-party {self.levelname.lower()} from {self.name}{raised}", ()
        self.exc_info = self.exc_text = self.stack_info = None


def silence_libraries() -> None:
    """Strip the records of foreign loggers, and route Python's warnings through one of them."""
    logging.setLogRecordFactory(StrippedRecord)
    logging.captureWarnings(True)


silence_libraries()

# Shared by all calls: creating it takes a third of the time of a call.
_call_metrics, _call_lock = EphemeralMetrics(namespace=_NAMESPACE), Lock()


def count(name: str, number: float = 1) -> None:
    """Add to a count of this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def count_for_source(name: str, source: str) -> None:
    """Add 1 to a count with the dimension `source`, which must be a configured source."""
    with single_metric(name, MetricUnit.Count, 1, namespace=_NAMESPACE) as metric:
        metric.add_dimension("source", source)


def count_version_fault(error: BaseException) -> None:
    """Count a version-scoped fault. CodeDeploy rolls back on this metric.

    Only for errors that no sender or operator can cause. A transient error of AWS is counted as `TransientErrors`
    instead, and an error with an attribute `counted_as` as that metric.
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
    """Record a measurement of this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit(unit), value=value)


def record_call(call: Call) -> None:
    """Measure a call to a partner. The dimension is the partner; flow, operation and outcome are only in the log line.

    `PartnerErrors` is 0 or 1 for each call: its sum is the number of errors, its average the error rate, its sample
    count the number of calls. The line is flushed immediately, so that it is not lost if the invocation is killed.
    """
    with _call_lock:
        try:
            _call_metrics.add_dimension("partner", call.partner)
            _call_metrics.add_metric("PartnerLatency", MetricUnit.Milliseconds, round(call.milliseconds, 1))
            _call_metrics.add_metric("PartnerErrors", MetricUnit.Count, int(call.is_error))
            for name, value in {"service": _FLOW, "operation": call.operation, "outcome": call.outcome.value}.items():
                _call_metrics.add_metadata(name, value)
            _call_metrics.flush_metrics()
        finally:
            _call_metrics.clear_metrics()  # also after a failure, or the next call would include it
