"""The commands of docs/deploy.md and docs/cost.md: run where AWS is not needed; of the others every word is known."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from tests.template import ROOT, template

PAGES = [ROOT / "docs" / "deploy.md", ROOT / "docs" / "cost.md"]
BLOCKS = [
    (page.name, re.sub(r"^   ", "", block, flags=re.MULTILINE))
    for page in PAGES
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
]
TEXT = "\n".join(block for _, block in BLOCKS).replace("\\\n", " ")
AWS = re.findall(r"\baws [a-z]+ [^\n);|]+", TEXT)
OF_ALL = {"--query", "--output"}
BY_CLI_ALONE = {  # what the command line has and the API has not
    ("cloudformation", "deploy"): {"--stack-name", "--template-file", "--capabilities", "--parameter-overrides"}
}
SERVICES = {"deploy": "codedeploy"}


@pytest.mark.parametrize("block", [block for _, block in BLOCKS])
def test_a_shell_understands_it(block: str) -> None:
    done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False)
    assert not done.returncode, done.stderr


def test_there_is_something_to_test() -> None:
    assert len(BLOCKS) > 15
    assert len(AWS) > 30


@pytest.mark.parametrize("command", AWS)
def test_aws_has_the_operation_and_the_options(command: str) -> None:
    _, service, operation, *rest = shlex.split(command)
    options = {word.partition("=")[0] for word in rest if word.startswith("--")} - OF_ALL
    if (service, operation) in BY_CLI_ALONE:
        assert options <= BY_CLI_ALONE[service, operation]
        return
    model = Session().get_service_model(SERVICES.get(service, service))
    if operation == "wait":
        waiters = Session().get_waiter_model(service)
        names = {xform_name(name, "-"): waiters.get_waiter(name).operation for name in waiters.waiter_names}
        known = model.operation_model(names[rest[0]])
    else:
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        known = model.operation_model(operations[operation])
    shape = known.input_shape
    members = {} if shape is None else {f"--{xform_name(name, '-')}": one for name, one in shape.members.items()}
    flags = {f"--no-{name[2:]}" for name, one in members.items() if one.type_name == "boolean"}
    assert options <= members.keys() | flags
    required = {f"--{xform_name(name, '-')}" for name in (shape.required_members if shape else [])}
    assert required <= options | {option.replace("--no-", "--") for option in options}


def test_make_has_the_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^\s*make ([a-z-]+)", TEXT, re.MULTILINE)
    assert {"build", "deploy"} <= set(targets)
    for target in targets:
        assert f"\n{target}: " in makefile


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
    assert "Say where to" in done.stderr


def test_the_parameters_are_the_templates() -> None:
    known = template()["Parameters"]
    assignments = re.findall(r'PARAMETERS="([^"]+)"', TEXT)
    assert assignments
    for assignment in assignments:
        for name, _, value in (word.partition("=") for word in assignment.split()):
            assert value in known[name].get("AllowedValues", [value]), name


def test_the_modules_are_there() -> None:
    modules = set(re.findall(r"python -m ([\w.]+)", TEXT))
    assert {"deploy.put_back", "benchmarks.cost", "benchmarks.flow"} <= modules
    for module in modules:
        assert importlib.util.find_spec(module), module


def test_the_files_are_there() -> None:
    for name in re.findall(r"(?:file://|--template-file )(deploy/[\w./-]+)", TEXT):
        assert (ROOT / name).exists(), name
    page = PAGES[0].read_text(encoding="utf-8")
    for name in re.findall(r"\]\(([\w./-]+\.md)", page):
        assert (PAGES[0].parent / name).exists(), name


def test_the_links_within_lead_somewhere() -> None:
    page = PAGES[0].read_text(encoding="utf-8")
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", page)) <= headings


def test_the_cost_is_printed_as_the_page_says() -> None:
    command = [sys.executable, "-m", "benchmarks.cost"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout in PAGES[1].read_text(encoding="utf-8")


def test_put_back_says_how_it_is_used() -> None:
    command = [sys.executable, "-m", "deploy.put_back"]
    done = subprocess.run([*command, "copy", "live"], cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert "name some leads, or --all" in done.stderr
    assert Path(ROOT / "deploy" / "put_back.py").exists()
