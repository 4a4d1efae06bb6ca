"""The command is apart from what is deployed: nothing of it, and nothing that it alone needs, comes into a layer."""

import tomllib
from typing import Any

from quality.testkit.template import ROOT


def test_what_the_layers_are_built_from_does_not_lead_to_the_command() -> None:
    locked: dict[str, Any] = {
        each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    }
    needed, waiting = set[str](), ["leadbridge"]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [each["name"] for each in locked[name].get("dependencies", [])]
    assert "botocore" in needed
    assert not {"typer", "rich", "shellingham", "leadbridge-cli"} & needed


def test_nothing_that_is_deployed_imports_it() -> None:
    for folder in ("layers", "functions"):
        for file in (ROOT / folder).rglob("*.py"):
            assert "leadbridge_cli" not in file.read_text(encoding="utf-8"), file
