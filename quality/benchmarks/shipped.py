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
    file = FOLDER / name
    found: dict[str, Any] = (json if file.suffix == ".json" else tomllib).loads(file.read_text(encoding="utf-8"))
    return found


def store(name: str, found: dict[str, Any]) -> str:
    """Write a JSON file of this folder. Returns its text."""
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    (FOLDER / name).write_text(text, encoding="utf-8")
    return text


@cache
def settings() -> Settings:
    return Settings.model_validate(read_toml(ROOT / "config", "prod"))


def schedule(**changes: Any) -> CheckSchedule:
    """When the lender's statuses are checked, after a change of its settings."""
    changed = {**read_toml(ROOT / "config", "prod")["partners"][LENDER], **changes}
    # Without hours a partner is open all the time.
    found = Partner.model_validate({name: value for name, value in changed.items() if value != []}).check_schedule
    assert found is not None
    return found


def parameter(name: str) -> int:
    return int(template()["Parameters"][name]["Default"])


def memory(function: str) -> int:
    of_all = template()["Globals"]["Function"]["MemorySize"]
    return int(FUNCTIONS[function]["Properties"].get("MemorySize", of_all))
