"""Partners with caps and hours, for tests."""

from __future__ import annotations

from typing import Any

from leadbridge.settings import Settings
from leadbridge.settings.partners import Partner
from quality.testkit.configuration import CONFIG
from tools.config import read_toml

LENDER, BROKER = "leadleader", "matchtrade"


def settings_with_intake(
    intake: dict[str, Any] | None, *, time_zone: str = "Europe/Kyiv", partner: str = LENDER
) -> Settings:
    """The shipped settings with caps and hours for one partner."""
    tables: Any = read_toml(CONFIG, "prod")
    tables["partners"][partner]["time_zone"] = time_zone
    if intake is not None:
        tables["partners"][partner]["intake"] = intake
    return Settings.model_validate(tables)


def partner_with_intake(intake: dict[str, Any] | None, *, time_zone: str = "Europe/Kyiv") -> Partner:
    """The shipped lender with caps and hours."""
    return settings_with_intake(intake, time_zone=time_zone).partners[LENDER]
