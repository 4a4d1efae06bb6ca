"""`sync status` over the real API, and `check-config`."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadbridge.runtime import aws
from leadbridge.settings import Settings
from leadbridge.storage.items import encode
from leadbridge_cli.sync import describe
from quality.testkit.cli.terminal import SYNC_STATE, Terminal, run
from quality.testkit.fixtures import TABLE
from quality.testkit.template import ROOT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def put_state() -> None:
    aws.dynamodb().put_item(TableName=TABLE, Item=encode(SYNC_STATE))


def test_a_sync_that_has_not_run_is_a_3(terminal: Terminal) -> None:
    for arguments in ((), ("matchtrade",)):
        said = terminal.run("sync", "status", *arguments)
        assert (said.code, "No sync has run yet" in said.failure) == (3, True)


def test_the_state_is_printed_for_scripts_and_for_people(terminal: Terminal) -> None:
    put_state()
    [state] = terminal.run("sync", "status", "--json").json["partners"]
    assert (state["partner"], state["watermark"]) == ("matchtrade", "2026-03-01T11:55:00.000Z")
    assert (state["full_scan_started_at"], state["full_scan_finished_at"]) == ("2026-03-01T08:00:00.000Z", None)
    assert state["scans"] == {"full": 50}
    assert "50 %" in terminal.run("sync", "status", "matchtrade").out


def test_a_partner_is_named_as_in_the_configuration_and_not_by_its_kind(
    terminal: Terminal, shipped_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_state()
    partners = {**shipped_settings.partners, "second-broker": shipped_settings.partners["matchtrade"]}
    both = shipped_settings.model_copy(update={"partners": partners})
    monkeypatch.setattr("leadbridge.api.routes.sync.settings", lambda: both)
    states = terminal.run("sync", "status", "--json").json["partners"]
    assert [(one["partner"], one["watermark"] is None) for one in states] == [
        ("matchtrade", False),
        ("second-broker", True),
    ]
    assert terminal.run("sync", "status", "second-broker").code == 3
    unknown = terminal.run("sync", "status", "leadleader")
    assert (unknown.code, "matchtrade" in unknown.failure) == (3, True)


def test_the_delay_is_the_age_of_the_watermark() -> None:
    state = {"watermark": "2026-03-01T11:55:00.000Z", "scans": {}}
    assert describe("matchtrade", state, NOW)["behind_seconds"] == 300
    assert describe("matchtrade", None, NOW)["behind_seconds"] is None


def test_the_shipped_configuration_is_valid() -> None:
    said = run("check-config", str(ROOT / "config"), "--json")
    assert (said.code, said.json) == (0, {"is_valid": True, "problems": []})


def test_the_problems_of_a_configuration_are_listed() -> None:
    shutil.copytree(ROOT / "config", "config")
    sources = Path("config/sources.toml")
    right = sources.read_text(encoding="utf-8")
    for wrong in ('\n[other]\nadapter = "nobody"\npartners = ["leadleader"]\n', "\n[other]\npartners = 7\n", "\nx ="):
        sources.write_text(right + wrong, encoding="utf-8")
        said = run("check-config")
        assert said.code == 1
        assert said.out.strip()
        assert "is not valid" in said.err
        told = run("check-config", "--json")
        assert (told.code, told.out.count("\n")) == (1, 1)
    sources.unlink()
    assert run("check-config").code == 1
    assert run("check-config", "nowhere").code == 3
