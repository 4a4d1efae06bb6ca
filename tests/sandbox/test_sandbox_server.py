"""Starting, stopping, what is kept, and the page."""

import json
import math
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from devstack.sandbox import calls
from devstack.sandbox.remote import Remote
from devstack.sandbox.server import Sandbox
from quality.testkit.sandbox.client import Client, call
from quality.testkit.sandbox.clock import eventually
from quality.testkit.template import ROOT

OPEN_FILES = Path("/proc/self/fd")


def _started(state_dir: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "devstack.sandbox", "--state-dir", str(state_dir), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_where_it_is_and_stops_at_once_even_with_calls_in_flight(
    tmp_path: Path, number: signal.Signals
) -> None:
    with _started(tmp_path, "--pace", "0") as process, ThreadPoolExecutor(1) as threads:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        client = Client.of(json.loads((tmp_path / "secrets.json").read_bytes())["leadleader"])
        assert client.auth_url == f"{url}/leadleader/api/partners/input/authorization/"
        assert client.status(client.create().json["deal_id"]).json["status"] == "Видано"
        Remote(url).arm("leadleader", "create", {"kind": "delay", "seconds": 600})
        waiting = threads.submit(client.create)
        eventually(lambda: Remote(url).calls()[-1]["fault"] is not None)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=5)  # the call in flight would take ten minutes
        assert (process.returncode, rest, errors) == (0, "", "")
        with pytest.raises((HTTPException, OSError)):
            waiting.result()
    kept = ["graph.json", "leadleader.json", "leeloo.json", "lock", "matchtrade.json", "secrets.json", "telegram.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))


def test_a_second_sandbox_on_the_same_directory_is_refused(tmp_path: Path) -> None:
    with Sandbox(tmp_path):
        with pytest.raises(BlockingIOError, match="another sandbox"), Sandbox(tmp_path):
            pass
        with _started(tmp_path) as process:
            _, errors = process.communicate(timeout=10)
        assert process.returncode == 1
        assert errors.startswith("sandbox: another sandbox runs on")


def test_keys_outlive_the_process_and_urls_follow_it(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        first = sandbox.secrets()["leadleader"]
    with Sandbox(tmp_path) as sandbox:
        second = sandbox.secrets()["leadleader"]
        assert second["base_url"].startswith(sandbox.url)
        Client.of(second).authorize()
    for name in ("email", "password", "partner_public_key", "private_key"):
        assert first[name] == second[name]
    assert first["email"].endswith("@example.com")


def test_credentials_of_an_earlier_version_lose_what_is_no_longer_used(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        first = sandbox.secrets()["matchtrade"]
    file = tmp_path / "matchtrade.json"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "of_an_earlier_version": "x"}))
    with Sandbox(tmp_path) as sandbox:
        assert sandbox.secrets()["matchtrade"]["client_secret"] == first["client_secret"]
    assert "of_an_earlier_version" not in json.loads(file.read_bytes())


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    state_dir = tmp_path / "new" / "sandbox"
    with Sandbox(state_dir):
        assert {path.stat().st_mode & 0o777 for path in state_dir.iterdir()} == {0o600}
        assert state_dir.stat().st_mode & 0o777 == 0o700


def test_a_sandbox_in_a_thread_drops_what_is_delayed_when_it_stops(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as threads:
        with Sandbox(tmp_path) as sandbox:
            client = Client.of(sandbox.secrets()["leadleader"])
            Remote(sandbox.url).arm("leadleader", "create", {"kind": "delay", "seconds": 600})
            waiting = threads.submit(client.create)
            eventually(lambda: len(Remote(sandbox.url).calls(operation="create")) == 1)
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 1
        with pytest.raises((HTTPException, OSError)):
            waiting.result()


def test_a_port_that_is_taken_is_an_error_that_says_so(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
        Sandbox(tmp_path, port=taken.getsockname()[1]),
    ):
        pass


@pytest.mark.parametrize("pace", [-1.0, math.inf, math.nan])
def test_a_pace_that_no_status_can_have_is_refused(tmp_path: Path, pace: float) -> None:
    with pytest.raises(ValueError, match="pace: 0 to"):
        Sandbox(tmp_path, pace=pace)


def test_the_log_keeps_the_latest_calls_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_STORED", 2)
    with Sandbox(tmp_path) as sandbox:
        for _ in range(3):
            call(sandbox.secrets()["leadleader"]["auth_url"])
        assert [each["number"] for each in Remote(sandbox.url).calls()] == [2, 3]


def test_control_refuses_nonsense(remote: Remote) -> None:
    partners = "partner: one of graph, leadleader, leeloo, matchtrade, telegram"
    wrong: tuple[tuple[str, object, str], ...] = (
        ("pace", {"seconds": -1}, "seconds: Input should be greater than or equal to 0"),
        ("leadleader/rotate", {"what": "x"}, "what: one of password, private_key"),
        ("unknown/rotate", {}, partners),
        ("feedback/rotate", {}, partners),
    )
    for path, body, detail in wrong:
        answer = call(f"{remote.url}/control/{path}", body)
        assert (answer.status, answer.json) == (400, {"detail": detail})
    assert call(f"{remote.url}/control/calls?since=x", None, method="GET").status == 400


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="open files are counted in Linux's /proc")
def test_a_sandbox_that_stopped_leaves_nothing_open(tmp_path: Path) -> None:
    left = []
    for _ in range(2):
        with Sandbox(tmp_path) as sandbox:
            Client.of(sandbox.secrets()["leadleader"]).authorize()
        left.append(len(list(OPEN_FILES.iterdir())))
    assert left[0] == left[1]
