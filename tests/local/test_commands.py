"""A wrong value of a developer's command: one line that says what to do, and an exit code that is not 0."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devstack.commands import get, send, webhook_url
from devstack.commands.form import Answer, Operator
from devstack.seed import source_secret, write_private
from devstack.stack import Stack
from devstack.workdir import PROJECT, Workdir

STACK = Stack(
    api_url="http://127.0.0.1:1/v1",
    console_url="http://127.0.0.1:1/v1/console",
    aws_endpoint_url="http://127.0.0.1:1",
    region="eu-central-1",
    stack_name="leadbridge-local",
    sandbox_url="http://127.0.0.1:2",
    operator_token="a-token",
    pid=os.getpid(),
    fingerprint="",
)


@pytest.fixture(autouse=True)
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workdir = Workdir(tmp_path)
    write_private(workdir.secrets_file, {"sources": {"plain-credit": source_secret("plain")}})
    monkeypatch.setattr(Stack, "developers", lambda: STACK)
    monkeypatch.setattr(webhook_url, "DEVELOPER", workdir)


def said(module: Any, monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """What a command says when it ends with one line."""
    monkeypatch.setattr(sys, "argv", [module.__name__, *words])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert isinstance(ended.value.code, str), "a text means exit code 1"
    assert "\n" not in ended.value.code
    return ended.value.code


def test_an_unknown_sample_has_its_neighbours_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(send, monkeypatch, "goood") == "There is no SAMPLE=goood. Did you mean: good."
    assert "Use one of: " in said(send, monkeypatch, "42")


def test_a_file_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(send, monkeypatch, "trading", "missing.json").startswith("BODY=missing.json cannot be read: ")


def test_an_unknown_source_has_its_neighbours_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Did you mean: plain-credit." in said(webhook_url, monkeypatch, "plain-credits")
    assert "make reload" in said(webhook_url, monkeypatch)


@pytest.mark.parametrize(
    ("status", "content", "line"),
    [
        (
            403,
            {"message": "Missing Authentication Token"},
            "GET /lead returned 403: There is no such route; docs/openapi.json",
        ),
        (
            404,
            {"type": "urn:unknown-lead", "detail": "There is no such lead."},
            "GET /lead returned 404: There is no such lead.",
        ),
    ],
)
def test_a_wrong_route_is_one_line(
    status: int, content: dict[str, Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Operator, "get", lambda _, path: Answer(status, content, {}, 0))
    assert said(get, monkeypatch, "lead").startswith(line)


def test_a_stack_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not answer" in said(get, monkeypatch, "/leads")


def test_an_answer_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["get", "leads"])
    monkeypatch.setattr(Operator, "get", lambda _, path: Answer(200, {"path": path}, {}, 0))
    assert get.main() == 0
    assert json.loads(capsys.readouterr().out) == {"path": "/leads"}


@pytest.mark.parametrize("module", ["infra.check", "infra.concurrency"])
@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({}, "No AWS region is configured. Set AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "eu-central-1"}, "No AWS credentials were found. Run `aws sso login`"),
    ],
)
def test_a_deployment_without_region_or_credentials_is_one_line(module: str, env: dict[str, str], line: str) -> None:
    users = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nothing = {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    done = subprocess.run(
        [sys.executable, "-m", module, "dev"],
        cwd=PROJECT,
        env={**users, **nothing, **env},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
