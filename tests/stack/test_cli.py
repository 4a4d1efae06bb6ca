"""The operators' command, as it is installed, against the deployed stack and its partners."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from devstack.commands.api import Operator
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from quality.testkit.deployed import Form, accepted, eventually, person

SCRIPT = Path(sys.executable).parent / "leadbridge"
Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def command(stack: Stack, tmp_path: Path) -> Run:
    """Run it in a folder in which the stack is up; its exit code, and its answer if it is 0."""
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text(json.dumps(asdict(stack)))

    def run(*arguments: str) -> tuple[int, Any]:
        said = subprocess.run(
            [str(SCRIPT), *arguments, "--json"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        return said.returncode, json.loads(said.stdout) if said.returncode == 0 else said.stderr

    return run


def test_a_lead_is_listed_shown_and_erased(form: Form, operator: Operator, command: Run) -> None:
    asked = person()
    lead_id = accepted(form.post(asked))
    code, found = command("leads", "list", "--phone", asked["person"]["phone"], "--reveal")
    assert (code, [lead["lead_id"] for lead in found["leads"]]) == (0, [lead_id])
    assert found["leads"][0]["person"]["phone"] == asked["person"]["phone"]

    eventually(
        lambda: operator.lead(lead_id)["deliveries"]["leadleader"]["state"],
        lambda state: state in {"submitted", "closed"},
    )
    assert command("leads", "show", lead_id)[1]["deliveries"]["leadleader"]["state"] in {"submitted", "closed"}
    assert command("leads", "resolve", lead_id, "--not-created", "--yes")[0] == 4
    assert command("leads", "erase", lead_id, "--yes") == (0, {"lead_id": lead_id, "erased": True})
    assert not command("leads", "show", lead_id)[1].get("person")
    assert command("leads", "show", "ld_" + "a" * 26)[0] == 3


def test_the_partners_accept_what_the_stack_has_and_leeloo_answers(command: Run, partner: Remote) -> None:
    code, said = command("secrets", "check")
    assert code == 0, said
    checked = {each["partner"]: each["accepted"] for each in said["partners"]}
    assert all(checked.values()), checked
    chats = {name for name in checked if name.startswith("telegram ")}
    assert chats
    assert checked.keys() - chats == {"broker-b", "broker-c", "leadleader", "leeloo", "lender-b", "matchtrade"}
    code, tags = command("partners", "leeloo", "catalog", "tags")
    assert (code, [tag["name"] for tag in tags]) == (0, [tag["name"] for tag in partner.get("leeloo/company")["tags"]])


def test_a_sources_secret_is_rotated_without_losing_a_post(stack: Stack, form: Form, command: Run) -> None:
    code, made = command("secrets", "rotate", "sources", "web")
    assert code == 0, made
    try:
        assert command("secrets", "rotate", "sources", "web")[0] == 4
        accepted(form.post(person()))
        accepted(Form(stack, made["secret"]).post(person()))
    finally:
        manager = stack.client("secretsmanager")
        value = json.loads(manager.get_secret_value(SecretId="leadbridge/sources")["SecretString"])
        value["web"]["secrets"] = [form.secret]
        manager.put_secret_value(SecretId="leadbridge/sources", SecretString=json.dumps(value))


def test_the_sync_status_is_read(command: Run) -> None:
    code, told = command("sync", "status")
    assert code in {0, 3}, told
    assert code == 0 or "No sync has run yet" in told


def test_figures_and_dead_letters_are_read(command: Run) -> None:
    assert command("stats")[0] == 0
    assert command("dlq", "list")[0] == 0
    assert command("dlq", "redrive", "nowhere", "--all")[0] == 3
