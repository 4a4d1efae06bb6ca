"""What a stranger looks for: one version everywhere, a changelog with its release, forms and hooks that work."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from quality.testkit.documents import schema_problems
from quality.testkit.template import ROOT

GITHUB = ROOT / ".github"
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", re.MULTILINE)


def version_in(file: str) -> str:
    return str(tomllib.loads((ROOT / file).read_text(encoding="utf-8"))["project"]["version"])


def test_the_package_the_command_and_the_changelog_have_one_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = RELEASE.findall(changelog)[0]
    assert version_in("pyproject.toml") == version_in("cli/pyproject.toml") == newest
    assert changelog.index("## [Unreleased]") < changelog.index(f"## [{newest}]")


def test_the_security_policy_supports_the_present_version() -> None:
    minor = version_in("pyproject.toml").rpartition(".")[0]
    assert f"| {minor}.x | yes |" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.dependabot", ["dependabot.yml"]),
        ("vendor.github-issue-config", ["ISSUE_TEMPLATE/config.yml"]),
        (
            "vendor.github-issue-forms",
            ["ISSUE_TEMPLATE/bug.yml", "ISSUE_TEMPLATE/feature.yml", "ISSUE_TEMPLATE/integration.yml"],
        ),
    ],
)
def test_github_can_read_its_files(schema: str, files: list[str]) -> None:
    assert schema_problems(schema, [str(GITHUB / file) for file in files]) == ""


def test_every_lock_file_is_kept_up_to_date() -> None:
    content = yaml.safe_load((GITHUB / "dependabot.yml").read_text(encoding="utf-8"))
    folders: list[Any] = [
        folder
        for update in content["updates"]
        if update["package-ecosystem"] == "uv"
        for folder in update.get("directories", [update.get("directory")])
    ]
    locked = subprocess.run(["git", "ls-files", "*uv.lock"], cwd=ROOT, text=True, capture_output=True, check=True)
    assert sorted(folders) == sorted(f"/{Path(file).parent}".removesuffix(".") for file in locked.stdout.split())


def test_every_owned_path_exists() -> None:
    lines = (GITHUB / "CODEOWNERS").read_text(encoding="utf-8").splitlines()
    paths = [line.split()[0] for line in lines if line and not line.startswith("#")]
    assert [path for path in paths if path != "*" and not (ROOT / path.lstrip("/")).exists()] == []


def test_the_hooks_run_only_tools_of_this_project() -> None:
    content = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = content["repos"]
    assert local["repo"] == "local"
    assert local["hooks"]
    for hook in local["hooks"]:
        assert hook.keys() >= {"id", "name", "entry", "language"}
        program, argument = hook["entry"].split()[:2]
        assert program == "make" or (ROOT / program).exists(), hook["id"]
        assert program != "make" or f"\n{argument}: " in (ROOT / "Makefile").read_text(encoding="utf-8")
