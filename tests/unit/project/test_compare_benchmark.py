"""The comparison with n8n and Node-RED: equal flows, exact versions, and the figures that decide."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quality.benchmarks.compare import __main__ as compare
from quality.benchmarks.compare import flows, install
from quality.benchmarks.compare.rounds import Losses, Usage
from quality.benchmarks.compare.usage import cpu_seconds

SECRET = {
    "auth_url": "http://127.0.0.1:1/authorization/",
    "base_url": "http://127.0.0.1:1/",
    "email": "a@example.com",
    "password": "a password",
    "partner_public_key": "a public key",
    "private_key": "a private key",
    "webhook_token": "a token",
}


def usage(alone: float, busy: float) -> Usage:
    return Usage([alone], [busy], [1.0], [10.0], [0.01, 0.02], [0.1, 0.2])


def measured(ours: Usage, n8n: Usage) -> dict[str, tuple[str, ...]]:
    table = compare.table(
        {"leadbridge": ours, "n8n": n8n, "Node-RED": usage(5, 5)},
        dict.fromkeys(("leadbridge", "n8n", "Node-RED"), (1, 100.0)),
        {("leadbridge", False): Losses(120, 0, 0, 0, 4), ("n8n", False): Losses(120, 7, 6, 2, 9)},
        4.0,
        100,
        170,
    )
    return {"ratio": (str(table.ratios["cpu_of_n8n"]),), **{row[0]: row[1:] for row in table.rows}}


@pytest.mark.parametrize(("alone", "busy", "ratio"), [(10, 10, 0.2), (30, 10, 0.6), (10, 20, 0.4)])
def test_the_worse_of_the_two_loads_decides(alone: float, busy: float, ratio: float) -> None:
    assert float(measured(usage(alone, busy), usage(50, 50))["ratio"][0]) == pytest.approx(ratio)


def test_a_system_that_answers_in_one_way_only_has_no_figures_for_the_other() -> None:
    rows = measured(usage(10, 10), usage(50, 50))

    assert rows["killed, answers when the lead is valid: confirmed leads"] == ("120", "120", "–")
    assert rows["killed, answers when the partner has the lead: confirmed leads"] == ("–", "–", "–")


@pytest.mark.parametrize("at_end", [False, True])
def test_n8n_answers_before_or_after_the_partners_calls(at_end: bool) -> None:
    workflow = flows.n8n("lead", SECRET, at_end=at_end)
    order, name = ["Webhook"], "Webhook"
    while name in workflow["connections"]:
        [[to]] = workflow["connections"][name]["main"]
        name = to["node"]
        order.append(name)

    calls = ["Authorize", "Create"]
    assert order == ["Webhook", "Prepare", *([*calls, "Answer"] if at_end else ["Answer", *calls])]
    assert {node["name"] for node in workflow["nodes"]} == set(order)


@pytest.mark.parametrize("at_end", [False, True])
def test_node_red_writes_its_journal_before_it_answers(at_end: bool) -> None:
    nodes = {node["id"]: node for node in flows.node_red("lead", SECRET, at_end=at_end, journal="leads.jsonl")}
    reached = after(nodes, "lead-webhook")

    assert reached >= {"lead-journal", "lead-answer", "lead-create"}
    assert "lead-answer" in after(nodes, "lead-journal")
    assert ("lead-answer" in after(nodes, "lead-create")) is at_end
    assert all(to in nodes for node in nodes.values() for wire in node.get("wires", []) for to in wire)


def after(nodes: dict[str, Any], start: str) -> set[str]:
    """The nodes that a message from `start` can reach."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for wire in nodes[waiting.pop()]["wires"]:
            waiting += [to for to in wire if to not in found]
            found.update(wire)
    return found


def test_both_run_the_same_validation_and_encryption() -> None:
    code = flows.prepare(SECRET)
    workflow = flows.n8n("lead", SECRET, at_end=False)
    nodes = flows.node_red("lead", SECRET, at_end=False, journal="leads.jsonl")

    assert any(code in node["parameters"].get("jsCode", "") for node in workflow["nodes"])
    assert any(code in node.get("func", "") for node in nodes)


def test_the_versions_are_exact_and_name_no_registry() -> None:
    assert set(install.versions()) == {"node", "n8n", "node-red"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in install.versions().values())
    files = [file for file in Path(install.__file__).parent.rglob("*") if file.suffix in {".py", ".js", ".toml"}]
    assert not [file for file in files if "https://" in file.read_text(encoding="utf-8")]


def test_a_version_that_is_not_complete_is_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(install, "FOLDER", tmp_path)
    for name in ("n8n", "node-red"):
        package = tmp_path / name / "node_modules" / name / "package.json"
        package.parent.mkdir(parents=True)
        package.write_text(json.dumps({"version": "1.2.3"}))

    assert install.installed("node-red", "node-red") == "1.2.3"
    assert install.installed("n8n", "n8n") is None  # its database is not compiled


def test_without_npm_the_command_says_so_and_succeeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert compare.main([]) == 0
    assert "npm" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_time_of_children_that_ended_counts() -> None:
    before = cpu_seconds([os.getpid()])
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.2: pass"], check=True)

    assert cpu_seconds([os.getpid()]) - before >= 0.15  # each figure of the kernel is rounded down to 10 ms


def test_a_process_that_is_gone_has_no_time() -> None:
    assert cpu_seconds([2**22 + 1]) == 0
