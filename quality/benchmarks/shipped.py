"""What is deployed as shipped: parameters and functions of the template, and the partners' settings."""

from __future__ import annotations

from functools import cache

from leadbridge.settings import Settings
from leadbridge.settings.check_schedule import CheckSchedule
from quality.testkit.template import ROOT, resources, template
from tools.config import read_toml

LENDER = "leadleader"
CONCURRENCY = {LENDER: "LeadLeaderConcurrency", "matchtrade": "MatchTradeConcurrency", "leeloo": "LeelooConcurrency"}
FUNCTIONS = resources("AWS::Serverless::Function")


@cache
def settings() -> Settings:
    return Settings.model_validate(read_toml(ROOT / "config", "prod"))


def schedule() -> CheckSchedule:
    """When the lender's statuses are checked."""
    found = settings().partners[LENDER].check_schedule
    if found is None:
        raise LookupError("the lender has no cadence")
    return found


def parameter(name: str) -> int:
    """The default of a parameter of the template."""
    return int(template()["Parameters"][name]["Default"])


def memory(function: str) -> int:
    """MB of a function's memory."""
    of_all = template()["Globals"]["Function"]["MemorySize"]
    return int(FUNCTIONS[function]["Properties"].get("MemorySize", of_all))
