"""Structured logs and metrics, one of each a worker. Logs name a lead by its id and tell nothing of the person."""

from __future__ import annotations

import os
import warnings
from typing import Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

# An invocation that counts nothing is no reason to print a warning among the log's JSON.
warnings.filterwarnings("ignore", message="No application metrics to publish")

_FLOW = os.environ.get("LEADBRIDGE_FLOW", "leadbridge")

logger = Logger(service=_FLOW, log_uncaught_exceptions=False)
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "leadbridge"), service=_FLOW)


def count(name: str, number: float = 1) -> None:
    """Add to the count of something that happened in this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def measure(name: str, value: float, unit: Literal["Seconds", "Percent"]) -> None:
    """Note how something stands in this invocation."""
    metrics.add_metric(name=name, unit=MetricUnit(unit), value=value)
