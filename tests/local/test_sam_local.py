"""What `sam local` is given, wherever no container runs: the template, the forwarded ports, the image's files."""

import json
import socket
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from devstack.relay import forwarded
from devstack.sam_local import as_containers_see, fill_image, make_image, why_not, without_aliases
from devstack.workdir import LocalError

ELSEWHERE = "192.0.2.1"  # for documentation only: no machine has it


@pytest.fixture
def echo() -> int:
    """The port of a server on 127.0.0.1 that answers each connection with what it was sent."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            connection, _ = listener.accept()
            with connection:
                while chunk := connection.recv(1024):
                    connection.sendall(chunk)

    threading.Thread(target=serve, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_a_port_is_reached_under_another_address_and_only_while_it_is_wanted(echo: int) -> None:
    with (
        forwarded("127.0.0.2", [echo]),
        socket.create_connection(("127.0.0.2", echo), timeout=5) as client,
        client.makefile("rwb") as lines,
    ):
        lines.write(b"said\n")
        lines.flush()
        assert lines.readline() == b"said\n"

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", echo), timeout=5)


def test_nothing_is_forwarded_where_dockers_own_machine_does_that(echo: int) -> None:
    with forwarded(ELSEWHERE, [echo]), socket.create_connection(("127.0.0.1", echo), timeout=5):
        pass


def test_containers_know_this_machine_by_another_name() -> None:
    assert as_containers_see("http://127.0.0.1:4566/queue") == "http://host.docker.internal:4566/queue"


def test_a_function_is_called_by_its_name_where_the_template_says_its_alias() -> None:
    template = {"FunctionArn": {"Ref": "Authorize.Alias"}, "Layers": [{"Ref": "LeadbridgeLayer"}]}
    asked = json.loads(without_aliases(json.dumps(template)))
    assert asked["FunctionArn"].endswith(":function:Authorize")
    assert asked["Layers"] == [{"Ref": "LeadbridgeLayer"}]


def test_it_says_why_no_container_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert why_not() == "Docker is not installed"


def test_an_image_can_be_made_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    with pytest.raises(LocalError, match="on Linux only"):
        make_image()


@pytest.mark.skipif(sys.platform != "linux", reason="an image is made on Linux only")
def test_the_image_that_is_made_holds_what_a_function_needs(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "root.tar", "w") as root:
        fill_image(root)
        names = root.getnames()

    assert len(names) == len(set(names))
    assert {"var/lang/bin/python3.13", "var/lang/lib/python3.13/ssl.py", "var/runtime/bootstrap"} <= set(names)
    assert {"bin/sh", "bin/cp", "var/task", "opt", "tmp", "var/runtime/awslambdaric/__main__.py"} <= set(names)
    assert [name for name in names if "site-packages" in name or "__pycache__" in name] == []
    for library in ("libc.so.6", "libstdc++.so.6"):
        assert any(name.endswith(library) for name in names)
