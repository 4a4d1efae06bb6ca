"""The settings of alerts, and what docs/alerts.md shows of them and of the secret."""

import json
import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from leadbridge.partners.alerts.targets import problems_of
from leadbridge.settings.alerts import AlertSettings
from quality.testkit.documents import blocks

SHOWN = [block for block in blocks() if block.page.name == "alerts.md"]
GOOD: dict[str, Any] = {
    "language": "uk",
    "time_zone": "Europe/Kyiv",
    "email_after": "30m",
    "digest": {"on": True, "at": "09:00"},
}


def test_the_page_shows_valid_settings_and_secrets() -> None:
    (settings,) = [tomllib.loads(block.text) for block in SHOWN if block.language == "toml"]
    assert AlertSettings.model_validate(settings).language == "uk"
    secrets = [json.loads(block.text) for block in SHOWN if block.language == "json"]
    assert [problems_of(secret) for secret in secrets] == [[], []]


@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "de"},
        {"time_zone": "Europe/Kiev2"},
        {"email_after": "30s"},
        {"email_after": "2h"},
        {"docs_url": "http://example.com"},
        {"console_url": "console"},
        {"digest": {"on": True, "at": "25:00"}},
        {"quiet": True},
    ],
)
def test_a_wrong_setting_is_refused(wrong: dict[str, Any]) -> None:
    AlertSettings.model_validate(GOOD)
    with pytest.raises(ValidationError):
        AlertSettings.model_validate(GOOD | wrong)
