"""The commands of docs/deploy.md, docs/cost.md and docs/recovery.md have the effect that the pages describe."""

import re
import subprocess
import sys

import pytest

from quality.benchmarks import cost
from quality.testkit.documents import blocks
from quality.testkit.template import ROOT, template

PAGES = [ROOT / "docs" / name for name in ("deploy.md", "cost.md", "recovery.md")]
BLOCKS = [block.text for block in blocks() if block.page in PAGES and block.is_shell]
TEXT = "\n".join(BLOCKS).replace("\\\n", " ")


def test_there_is_something_to_test() -> None:
    assert len(BLOCKS) > 15


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_make_deploy_says_to_sam_what_the_page_says(environment: str) -> None:
    command = ["make", "--dry-run", "--no-print-directory", "deploy", f"ENV={environment}", "ROLE=a-role", "BUCKET=b"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert not done.returncode, done.stderr
    assert f"sam deploy --config-env {environment}" in done.stdout
    assert '--role-arn "a-role" --no-confirm-changeset' in done.stdout


def test_make_deploy_wants_to_know_where_to() -> None:
    done = subprocess.run(["make", "deploy", "ENV=nowhere"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode
    assert "Name the environment: make deploy ENV=dev" in done.stderr


def test_the_parameters_are_the_templates() -> None:
    known = template()["Parameters"]
    assignments = re.findall(r'PARAMETERS="([^"]+)"', TEXT)
    assert assignments
    for assignment in assignments:
        for name, _, value in (word.partition("=") for word in assignment.split()):
            assert value in known[name].get("AllowedValues", [value]), name


def test_the_table_has_every_parameter_of_the_template_and_no_other() -> None:
    page = PAGES[0].read_text(encoding="utf-8")
    (rows,) = re.findall(r"^## Parameters\n\n\| parameter \|.+\n.+\n((?:\|.+\n)+)", page, re.MULTILINE)
    told = [name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(told) == sorted(template()["Parameters"])


def test_the_files_are_there() -> None:
    names = re.findall(r"(?:file://|--template-file )(infra/[\w./-]+)", TEXT)
    assert names
    for name in names:
        assert (ROOT / name).exists(), name


def test_the_cost_is_printed_as_the_page_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["quality.benchmarks.cost"])
    cost.main()
    printed = capsys.readouterr().out
    assert printed.strip()
    assert printed in PAGES[1].read_text(encoding="utf-8")
