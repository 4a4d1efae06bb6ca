"""What is deployed as shipped: the template's parameters and functions, the partners' settings. And the stored data."""

from __future__ import annotations

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from leadbridge.settings import Partner, Settings
from leadbridge.settings.check_schedule import CheckSchedule
from quality.testkit.template import ROOT, resources, template
from tools.config import read_toml

LENDER = "leadleader"
CONCURRENCY = {LENDER: "LeadLeaderConcurrency", "matchtrade": "MatchTradeConcurrency", "leeloo": "LeelooConcurrency"}
FUNCTIONS = resources("AWS::Serverless::Function")
FOLDER = Path(__file__).parent
WHOLE_CORE = 1769  # MB of memory at which Lambda gives a function one core


def data(name: str) -> dict[str, Any]:
    """Read a JSON or TOML file of this folder."""
    file = FOLDER / name
    found: dict[str, Any] = (json if file.suffix == ".json" else tomllib).loads(file.read_text(encoding="utf-8"))
    return found


def store(name: str, found: dict[str, Any]) -> str:
    """Write a JSON file of this folder. Returns its text."""
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    (FOLDER / name).write_text(text, encoding="utf-8")
    return text


@cache
def partners() -> dict[str, dict[str, Any]]:
    """The partners' settings as they are written."""
    found: dict[str, dict[str, Any]] = read_toml(ROOT / "config", "prod")["partners"]
    return found


@cache
def settings() -> Settings:
    return Settings.model_validate(read_toml(ROOT / "config", "prod"))


def schedule(**changes: Any) -> CheckSchedule:
    """When the lender's statuses are checked, after a change of its settings."""
    changed = {name: value for name, value in {**partners()[LENDER], **changes}.items() if name != "hours" or value}
    found = Partner.model_validate(changed).check_schedule
    assert found is not None
    return found


def parameter(name: str) -> int:
    """The default of a parameter of the template."""
    return int(template()["Parameters"][name]["Default"])


def memory(function: str) -> int:
    """MB of a function's memory."""
    of_all = template()["Globals"]["Function"]["MemorySize"]
    return int(FUNCTIONS[function]["Properties"].get("MemorySize", of_all))
