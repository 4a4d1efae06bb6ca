"""The comparison with n8n and Node-RED: equal flows, exact versions, and the figures that decide."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devstack.workdir import LocalError
from quality.benchmarks.compare import __main__ as compare
from quality.benchmarks.compare import systems
from quality.benchmarks.compare.__main__ import Phase
from quality.benchmarks.stack import cpu_seconds

SECRET = {
    "auth_url": "http://127.0.0.1:1/authorization/",
    "base_url": "http://127.0.0.1:1/",
    "email": "a@example.com",
    "password": "a password",
    "partner_public_key": "a public key",
    "private_key": "a private key",
    "webhook_token": "a token",
}


def phases(alone: float, busy: float) -> tuple[list[Phase], list[Phase]]:
    return [Phase(alone, 1.0, 10.0, (0.01, 0.02))], [Phase(busy, 1.0, 20.0, (0.1, 0.2))]


@pytest.mark.parametrize(("alone", "busy", "ratio"), [(10, 10, 0.2), (30, 10, 0.6), (10, 20, 0.4)])
def test_the_worse_of_the_two_loads_decides(alone: float, busy: float, ratio: float) -> None:
    found = {"leadbridge": phases(alone, busy), "n8n": phases(50, 50), "Node-RED": phases(5, 5)}
    table = compare.table(found, {name: [60.0, 40.0] for name in found}, 1)

    assert table.ratios["cpu_of_n8n"] == pytest.approx(ratio)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["CPU for a lead, one after the other, ms"] == (f"{alone:.1f}", "50.0", "5.0")
    assert rows["post to partner, concurrency 16, median, ms"] == ("150", "150", "150")
    assert rows["peak resident memory, all of them, MiB"] == ("100", "100", "100")


def test_n8n_answers_when_the_lead_is_valid() -> None:
    workflow = systems.flow("n8n", SECRET)
    order, name = ["Webhook"], "Webhook"
    while name in workflow["connections"]:
        [[to]] = workflow["connections"][name]["main"]
        name = to["node"]
        order.append(name)

    assert order == ["Webhook", "Prepare", "Answer", "Authorize", "Create"]
    assert {node["name"] for node in workflow["nodes"]} == set(order)


def test_node_red_writes_its_journal_before_it_answers() -> None:
    nodes = {node["id"]: node for node in systems.flow("node-red", SECRET, journal="leads.jsonl")}
    reached = after(nodes, "webhook")

    assert reached >= {"journal", "answer", "create"}
    assert after(nodes, "journal") >= {"answer", "create"}
    assert all(to in nodes for node in nodes.values() for wire in node.get("wires", []) for to in wire)
    assert nodes["journal"]["filename"] == "leads.jsonl"


def after(nodes: dict[str, Any], start: str) -> set[str]:
    """The nodes that a message from `start` can reach."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for wire in nodes[waiting.pop()]["wires"]:
            waiting += [to for to in wire if to not in found]
            found.update(wire)
    return found


def test_both_run_the_same_flow_with_the_same_secret() -> None:
    code = systems.prepare(SECRET)
    workflow = systems.flow("n8n", SECRET)
    nodes = systems.flow("node-red", SECRET, journal="leads.jsonl")

    assert any(code in node["parameters"].get("jsCode", "") for node in workflow["nodes"])
    assert any(code in node.get("func", "") for node in nodes)
    urls = [SECRET["auth_url"], f"{SECRET['base_url']}create-short-deal/"]
    assert [node["parameters"]["url"] for node in workflow["nodes"] if "url" in node["parameters"]] == urls
    assert [node["url"] for node in nodes if node["type"] == "http request"] == urls
    assert "<<" not in json.dumps([workflow, nodes])


def test_the_versions_are_exact_and_name_no_registry() -> None:
    assert set(systems.VERSIONS) == {"node", "n8n", "node-red"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in systems.VERSIONS.values())
    files = [file for file in Path(systems.__file__).parent.iterdir() if file.is_file()]
    assert not [file for file in files if "https://" in file.read_text(encoding="utf-8")]


def test_packages_are_installed_once_for_their_versions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[tuple[str, ...]] = []

    def run(*command: str, cwd: Path) -> None:
        commands.append(command)

    monkeypatch.setattr(systems, "FOLDER", tmp_path / "compare")
    monkeypatch.setattr(systems, "node_command", run)
    systems.install()
    assert [command[-1].rpartition("@")[2] for command in commands[:-1]] == list(systems.VERSIONS.values())
    systems.install()
    assert len(commands) == 4

    monkeypatch.setattr(systems, "VERSIONS", {**systems.VERSIONS, "n8n": "0.0.1"})
    systems.install()
    assert len(commands) == 8


def test_what_could_not_be_compiled_is_installed_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed: list[str] = []

    def run(*command: str, cwd: Path) -> None:
        if "rebuild" in command:
            raise LocalError("no compiler")
        installed.append(command[-1])

    monkeypatch.setattr(systems, "FOLDER", tmp_path / "compare")
    monkeypatch.setattr(systems, "node_command", run)
    for times in (1, 2):
        with pytest.raises(LocalError):
            systems.install()
        assert len(installed) == 3 * times


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
