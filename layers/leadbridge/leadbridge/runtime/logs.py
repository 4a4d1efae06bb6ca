"""Structured logs and metrics. Logs contain ids of leads, and no personal data.

Libraries log URLs with queries, headers and bodies, and their warnings contain values. Lambda's runtime prints all
records of the root logger. Therefore records of foreign loggers keep only their level and the logger's name.
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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

# Powertools would make an encoder for each line, and parse each message as JSON; ours are plain text. No line has the
# process or the thread.
_ENCODER = json.JSONEncoder(default=str, ensure_ascii=False, separators=(",", ":"))
logging.logProcesses = logging.logMultiprocessing = logging.logThreads = False
logger = Logger(service=_FLOW, log_uncaught_exceptions=False, json_serializer=_ENCODER.encode, json_deserializer=str)
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
_collected: list[Call] | None = None  # calls of a block of `calls_in_one_record`
MAX_VALUES = 99  # of a metric in one record. CloudWatch takes 100, at which Powertools writes an incomplete record


def count(name: str, number: float = 1) -> None:
    """Add to a count of this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def count_for_source(name: str, source: str) -> None:
    """Add 1 to a count with the dimension `source`, which must be a configured source."""
    _count_for(name, "source", source)


def count_for_partner(name: str, partner: str) -> None:
    """Add 1 to a count with the dimension `partner`, which must be a configured partner."""
    _count_for(name, "partner", partner)


def _count_for(name: str, dimension: str, value: str) -> None:
    with single_metric(name, MetricUnit.Count, 1, namespace=_NAMESPACE) as metric:
        metric.add_dimension(dimension, value)


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


def measure_of_partner(name: str, value: float, unit: Literal["Seconds", "Percent"], partner: str) -> None:
    """Record a measurement with the dimension `partner`, which must be a configured partner."""
    with single_metric(name, MetricUnit(unit), value, namespace=_NAMESPACE) as metric:
        metric.add_dimension("partner", partner)


def record_call(call: Call) -> None:
    """Measure a call to a partner. The dimension is the partner; flow, operation and outcome are only in the log line.

    `PartnerErrors` is 0 or 1 for each call: its sum is the number of errors, its average the error rate, its sample
    count the number of calls. The line is flushed immediately, so that it is not lost if the invocation is killed.
    Within `calls_in_one_record`, up to `MAX_VALUES` calls share a line.
    """
    with _call_lock:
        if _collected is None:
            _flush_calls([call])
            return
        _collected.append(call)
        if len(_collected) >= MAX_VALUES:
            _flush_collected(_collected)


def record_tracker_call(call: Call) -> None:
    """Measure a call to a tracker. Its dimension is `tracker`: a tracker may have the name of a partner."""
    with _call_lock:
        _flush_calls([call], dimension="tracker")


@contextmanager
def calls_in_one_record() -> Iterator[None]:
    """Measure the calls of this block together, also those of other threads. A killed invocation loses them."""
    global _collected  # noqa: PLW0603 - one invocation runs at a time
    _collected = []
    try:
        yield
    finally:
        with _call_lock:
            calls, _collected = _collected, None
            _flush_collected(calls)


def _flush_collected(calls: list[Call]) -> None:
    for partner in dict.fromkeys(call.partner for call in calls):
        _flush_calls([call for call in calls if call.partner == partner])
    calls.clear()


def _flush_calls(calls: list[Call], dimension: str = "partner") -> None:
    """Write one record of calls to the same partner. The caller holds the lock."""
    try:
        _call_metrics.add_dimension(dimension, calls[0].partner)
        for call in calls:
            _call_metrics.add_metric("PartnerLatency", MetricUnit.Milliseconds, round(call.milliseconds, 1))
            _call_metrics.add_metric("PartnerErrors", MetricUnit.Count, int(call.is_error))
        about: dict[str, Any] = {"service": _FLOW}
        if len(calls) == 1:
            about |= {"operation": calls[0].operation, "outcome": calls[0].outcome.value}
        else:
            about["calls"] = dict(Counter(f"{call.operation}.{call.outcome.value}" for call in calls))
        for name, value in about.items():
            _call_metrics.add_metadata(name, value)
        _call_metrics.flush_metrics()
    finally:
        _call_metrics.clear_metrics()  # also after a failure, or the next call would include it
