"""Every command of the documentation is tried: run where that does no harm here, else every word of it known.

A command of a program that nobody has said how to try fails, and so does one that is run by a test which is gone.
"""

import ast
import importlib.util
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from devstack import deployment
from devstack.workdir import DEVELOPER, TOOLS
from leadbridge_cli.__main__ import app
from quality.testkit.aws.aws_commands import options_of, said_in
from quality.testkit.documents import Block, Command, blocks, commands, program_of
from quality.testkit.template import ROOT, template

# Run to the letter, with all that they do: these tests read the page.
RUN_ELSEWHERE = {
    ("docs/forms.md", "curl"): "tests/unit/docs/test_tutorial.py",
    ("docs/command.md", "leadbridge"): "tests/cli/test_docs.py",
    ("docs/development.md", "curl"): "tests/sam_local/test_everyday.py",
}
OF_THE_SYSTEM = {"echo", "head", "rm"}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SAM_HELP = """
import json, sys
from click.testing import CliRunner
from samcli.cli.main import cli
said = {path: CliRunner().invoke(cli, [*path.split(), "--help"]) for path in json.loads(sys.argv[1])}
assert not [path for path, one in said.items() if one.exit_code], said
print(json.dumps({path: one.output for path, one in said.items()}))
"""
WITHOUT_MAKE = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def test_there_is_something_to_try() -> None:
    assert len(commands()) > 120
    assert {program_of(one.words[0]) for one in commands()} >= {"make", "leadbridge", "aws", "python", "sam"}


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.page.name)
def test_a_block_can_be_read(block: Block) -> None:
    match block.language:
        case _ if block.is_shell:
            done = run(["bash", "-n"], given=block.text)
            assert not done.returncode, done.stderr
        case "toml":
            tomllib.loads(block.text)
        case "json":
            json.loads(block.text)
        case "python":
            ast.parse(block.text)


@pytest.mark.parametrize("command", commands(), ids=str)
def test_a_command_is_one(command: Command) -> None:
    program, *words = program_of(command.words[0]), *command.words[1:]
    if other := RUN_ELSEWHERE.get((str(command.page.relative_to(ROOT)), program)):
        assert command.page.name in (ROOT / other).read_text(encoding="utf-8")
    match program:
        case "make":
            make_has(words)
        case "leadbridge":
            leadbridge_takes(words, is_whole=command.is_whole)
        case "python":
            python_runs(words)
        case "aws":
            aws_takes(words, is_whole=command.is_whole)
        case "sam":
            sam_takes(words)
        case "uv":
            uv_does(words)
        case "curl":
            assert other or route_of(words[0]), "an address that is no route of ours"
        case "git":
            assert "usage: git" in (done := run(["git", words[0], "-h"])).stdout + done.stderr
        case _:
            assert program in OF_THE_SYSTEM, f"nobody has said how to try {program}"
            assert shutil.which(program)


def make_has(words: Sequence[str]) -> None:
    """The targets are there, the variables count, and what they would run can be run."""
    targets = [word for word in words if "=" not in word]
    for variable in [word.partition("=")[0] for word in words if "=" in word]:
        assert re.search(rf"\$\({variable}\)|ifdef {variable}\b", MAKEFILE), f"nothing in the Makefile reads {variable}"
    assert [target for target in targets if f"\n{target}: " not in MAKEFILE] == []
    done = would_make(tuple(words))
    assert not done.returncode, done.stderr
    for module in re.findall(r"python -m ([\w.]+)", done.stdout):
        assert importlib.util.find_spec(module), module


@cache
def would_make(words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """What make would do; without a target it says what there is."""
    return run(["make", "--dry-run", *words], env=WITHOUT_MAKE)


def leadbridge_takes(words: list[str], *, is_whole: bool) -> None:
    """The real parser takes it. What is mentioned only may lack arguments."""
    command = command_line()
    context = typer.Context(command)
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, f"{command.name} has no {words[0]}"
        command, context = found, typer.Context(found, parent=context)
        del words[0]
    if is_whole:
        command.make_context(command.name, words, parent=context.parent, resilient_parsing="--help" in words)


@cache
def command_line() -> Any:
    """The command with all of its parts, which take longer to make than to use."""
    return typer.main.get_command(app)


def python_runs(words: Sequence[str]) -> None:
    """The module can be run, and takes these options; or the text is Python."""
    if not words:
        return
    if words[0] == "-c":
        ast.parse(words[1])
        return
    assert words[0] == "-m", "a module of ours"
    module, options = words[1], said_in(words[2:])
    spec = importlib.util.find_spec(module if "." in module else f"{module}.__main__")
    spec = importlib.util.find_spec(f"{module}.__main__") if spec and spec.submodule_search_locations else spec
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in source
    known = help_of_module(module) if "argparse" in source else source
    assert [option for option in options if option not in known] == []


def aws_takes(words: Sequence[str], *, is_whole: bool) -> None:
    """AWS has the operation and the options, and none that it must have is missing."""
    options, said = options_of(words), said_in(words)
    assert options is not None, "AWS has no such operation"
    assert said <= options.known
    if is_whole:
        assert options.required <= said | {option.replace("--no-", "--") for option in said}


def sam_takes(words: Sequence[str]) -> None:
    """The SAM CLI has the command and the options."""
    known = help_of_sam()[sam_path(words)]
    assert [word for word in words if word.startswith("-") and word not in re.findall(r"-[\w-]+", known)] == []


def sam_path(words: Sequence[str]) -> str:
    """The command, without its options."""
    return " ".join(words[: 2 if words[:1] in (["local"], ("local",)) else 1])


@cache
def help_of_sam() -> dict[str, str]:
    """What the SAM CLI says of each command in the documentation. It is started once, as a start takes seconds."""
    paths = sorted({sam_path(one.words[1:]) for one in commands() if program_of(one.words[0]) == "sam"})
    done = run([str(TOOLS / "python"), "-c", SAM_HELP, json.dumps(paths)], env=deployment.sam_env(DEVELOPER))
    assert not done.returncode, done.stderr
    return dict(json.loads(done.stdout))


def uv_does(words: Sequence[str]) -> None:
    """uv has the command; what it installs is a project here, what it runs is installed."""
    match words:
        case ["tool", "install", folder]:
            assert "uv tool install" in help_of(uv(), "tool", "install")
            assert "scripts" in tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        case ["run", script]:
            assert "uv run" in help_of(uv(), "run")
            assert (Path(sys.executable).parent / script).exists()
        case _:
            pytest.fail("nobody has said how to try this")


def route_of(address: str) -> bool:
    """Whether an address that begins with a variable, or on this machine, goes to a route that is asked by GET."""
    path = re.sub(r"^(\$\w+|http://127\.0\.0\.1:\d+)", "", address)
    functions = [one["Properties"] for one in template()["Resources"].values() if one["Type"].endswith("::Function")]
    events = [event["Properties"] for one in functions for event in one.get("Events", {}).values()]
    return any(event.get("Method") == "GET" and event.get("Path") == path for event in events)


@cache
def help_of_module(module: str) -> str:
    """What a module says of itself when it is run with --help; here, for much of it is loaded already."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(sys, "argv", [module, "--help"])
        with pytest.raises(SystemExit, match="0"):
            runpy.run_module(module, run_name="__main__")
    return said.getvalue()


@cache
def help_of(*words: str) -> str:
    """What a program says of itself."""
    done = run([*words, "--help"], env=deployment.sam_env(DEVELOPER))
    assert not done.returncode, done.stderr
    return done.stdout


def uv() -> str:
    found = shutil.which("uv", path=deployment.sam_env(DEVELOPER)["PATH"])
    assert found
    return found


def run(
    words: Sequence[str], *, given: str | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, input=given, cwd=ROOT, env=env, text=True, capture_output=True, check=False)
