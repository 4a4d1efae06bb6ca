"""`sync status`, as the sync writes its state, and `check-config`."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from leadbridge.runtime import aws
from leadbridge.storage.items import encode
from leadbridge.storage.leads import LeadRepository
from leadbridge_cli.cloud import Cloud
from leadbridge_cli.syncing import shown
from quality.testkit.template import ROOT
from tests.command.desk import Said, run
from tests.unit.conftest import TABLE

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATE: dict[str, Any] = {
    "pk": "SYNC#matchtrade",
    "sk": "STATE",
    "owner": "a-run",
    "lease_until": "2026-03-01T12:05:00.000Z",
    "standing": {
        "watermark": "2026-03-01T11:55:00.000Z",
        "whole_begun_at": "2026-03-01T08:00:00.000Z",
        "under_way": {
            "whole": {
                "kind": "whole",
                "begun_at": "2026-03-01T08:00:00.000Z",
                "since": "2026-01-01T00:00:00.000Z",
                "until": "2026-03-02T00:00:00.000Z",
                "window": "2026-01-31T00:00:00.000Z",
                "page": 7,
                "extent": 9000,
            }
        },
    },
}


@pytest.fixture
def status(store: LeadRepository, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """The command; which table a stack has is CloudFormation's to say, which the stack tier proves."""
    monkeypatch.setattr(Cloud, "table", TABLE)
    return lambda *arguments: run("sync", "status", "--stack", "leadbridge", *arguments)


def test_a_sync_that_has_not_run_is_a_3(status: Callable[..., Said]) -> None:
    assert status().code == 3


def test_the_state_is_told_for_scripts_and_for_people(status: Callable[..., Said]) -> None:
    aws.dynamodb().put_item(TableName=TABLE, Item=encode(STATE))
    told = status("--json").json
    assert (told["partner"], told["watermark"], told["is_running"]) == ("matchtrade", "2026-03-01T11:55:00.000Z", False)
    assert [(each["kind"], each["progress"], each["page"]) for each in told["under_way"]] == [("whole", "50%", 7)]
    assert "50%" in status().out


def test_how_far_it_is_behind_and_whether_it_runs_follow_from_the_time() -> None:
    told = shown("matchtrade", STATE, NOW)
    assert (told["behind_seconds"], told["is_running"], told["rests_until"]) == (300, True, None)


@pytest.mark.parametrize("standing", [None, {}, {"watermark": "nonsense"}, {"watermark": 7, "under_way": {"x": {}}}])
def test_a_state_that_is_odd_is_shown_all_the_same(standing: Any) -> None:
    assert shown("matchtrade", {"standing": standing}, NOW)["behind_seconds"] is None


def test_the_shipped_configuration_is_right() -> None:
    said = run("check-config", str(ROOT / "config"), "--json")
    assert (said.code, said.json) == (0, {"is_right": True, "problems": []})


def test_what_is_wrong_with_a_configuration_is_told() -> None:
    shutil.copytree(ROOT / "config", "config")
    sources = Path("config/sources.toml")
    right = sources.read_text(encoding="utf-8")
    for wrong in ('\n[other]\nadapter = "nobody"\npartners = ["leadleader"]\n', "\n[other]\npartners = 7\n", "\nx ="):
        sources.write_text(right + wrong, encoding="utf-8")
        said = run("check-config")
        assert said.code == 1
        assert said.out.strip()
        assert "cannot be shipped" in said.err
        told = run("check-config", "--json")
        assert (told.code, told.out.count("\n")) == (1, 1)
    sources.unlink()
    assert run("check-config").code == 1
    assert run("check-config", "nowhere").code == 3
