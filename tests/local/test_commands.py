"""A wrong value of a developer's command: one line that says what to do, and an exit code that is not 0."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import urllib3

from devstack import __main__ as commands
from devstack.commands.api import Answer, Operator, ask
from devstack.sandbox.partner import write_private
from devstack.seed import source_secret
from devstack.stack import Stack
from devstack.workdir import PROJECT, Workdir
from quality.testkit.deployed import A_STACK


@pytest.fixture(autouse=True)
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workdir = Workdir(tmp_path)
    write_private(workdir.secrets_file, {"sources": {"plain-credit": source_secret("plain")}})
    monkeypatch.setattr(Stack, "developers", lambda: A_STACK)
    monkeypatch.setattr(commands, "DEVELOPER", workdir)
    monkeypatch.setattr(os, "environ", os.environ.copy())


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type a command that ends with an error, and return its only line."""

    def run(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["devstack", *words])
        assert commands.main() == 1
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        return line.strip()

    return run


def test_an_unknown_sample_has_its_neighbours_named(typed: Callable[..., str]) -> None:
    assert typed("lead", "goood") == "There is no SAMPLE=goood. Did you mean: good."
    assert "Use one of: " in typed("lead", "42")


def test_a_file_that_cannot_be_read_is_named(typed: Callable[..., str]) -> None:
    assert typed("lead", "trading", "missing.json").startswith("BODY=missing.json cannot be read: ")


def test_an_unknown_source_has_its_neighbours_named(typed: Callable[..., str]) -> None:
    assert "Did you mean: plain-credit." in typed("webhook-url", "plain-credits")
    assert "make reload" in typed("webhook-url")


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
    status: int, content: dict[str, Any], line: str, typed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Operator, "get", lambda _, path: Answer(status, content, {}, 0))
    assert typed("get", "lead").startswith(line)


def test_the_form_page_posts_with_a_token_that_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages = []

    def serve_once(server: ThreadingHTTPServer) -> None:
        with ThreadPoolExecutor(1) as threads:
            page = threads.submit(urllib3.request, "GET", f"http://127.0.0.1:{server.server_port}/", timeout=10)
            server.handle_request()
            pages.append(page.result().data.decode())
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", serve_once)
    commands.form()
    token, shown = commands.secrets_of_sources()["plain-credit"]["secrets"][0], capsys.readouterr()
    assert f"token={token}" in pages[0]
    assert "/webhooks/plain-credit; Ctrl-C" in shown.out
    assert (token in shown.out, shown.err) == (False, "")


def test_an_answer_with_a_time_to_retry_is_returned() -> None:
    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.send_header("Retry-After", "60")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            assert str(ask("GET", f"http://127.0.0.1:{server.server_port}/leads")) == "503"
        finally:
            server.shutdown()


def test_a_stack_that_does_not_answer_is_one_line(typed: Callable[..., str]) -> None:
    assert "does not answer" in typed("get", "/leads")


def test_an_answer_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["devstack", "get", "leads"])
    monkeypatch.setattr(Operator, "get", lambda _, path: Answer(200, {"path": path}, {}, 0))
    with pytest.raises(SystemExit, match="0"):
        commands.main()
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
