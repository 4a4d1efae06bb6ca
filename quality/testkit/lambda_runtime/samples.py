"""The sample events, by function and case, and what the functions are called by."""

import json
import re
from pathlib import Path
from typing import Any

from quality.testkit.template import ROOT, resources

EVENTS = ROOT / "events"
FUNCTIONS = resources("AWS::Serverless::Function")


def folder_of(function: str) -> Path:
    """Where a function's samples are: events/receive_lead for ReceiveLead."""
    return EVENTS / re.sub(r"(?<=[a-z])(?=[A-Z])", "_", function).lower()


def sample(function: str, case: str) -> dict[str, Any]:
    """One sample event."""
    event: dict[str, Any] = json.loads((folder_of(function) / f"{case}.json").read_text(encoding="utf-8"))
    return event


def cases() -> list[tuple[str, str]]:
    """Every sample as (function, case)."""
    return [(function, file.stem) for function in FUNCTIONS for file in sorted(folder_of(function).glob("*.json"))]


def triggers(function: str) -> list[dict[str, Any]]:
    """What the template lets call a function: `{"Type", "Properties"}` each; none for an authorizer."""
    return list(FUNCTIONS[function]["Properties"].get("Events", {}).values())
