"""Calls to trackers over real sockets: the checked address is called, in the name of the tracker, and nothing else."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

import pytest
import urllib3

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import Misconfigured, Unavailable, Unknown
from leadbridge.partners.http import Answer
from leadbridge.partners.public_http import PublicClient, PublicUrl, parse_url
from leadbridge.runtime.budget import Budget
from quality.testkit.tls import client_context, server_context

NAME, PUBLIC = "tracker.example.com", str(IPv4Address(0x5DB8D70E))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"

type Reply = Callable[[socket.socket], None]


@dataclass
class Server:
    """A TLS server on loopback. `requests` are the heads that it received, `connections` counts what was accepted."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


def sends(reply: bytes) -> Reply:
    return lambda connection: connection.sendall(reply)


def drips(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(1000):
        connection.sendall(b"a")
        time.sleep(0.02)


def pours(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
    for _ in range(10_000):
        connection.sendall(b"a" * 65_536)


@contextmanager
def serving(reply: Reply, name: str = NAME) -> Iterator[Server]:
    listening = socket.create_server(("127.0.0.1", 0))
    server, context = Server(listening.getsockname()[1]), server_context(name)

    def serve() -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            server.connections += 1
            try:
                with context.wrap_socket(accepted, server_side=True) as connection:
                    connection.settimeout(5)
                    server.requests.append(connection.recv(65_536))
                    reply(connection)
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


class Internet:
    """Leads connections to `PUBLIC` to a server on loopback, and records where every connection was to go."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[tuple[str, int]] = []
        connect = urllib3.util.connection.create_connection

        def create_connection(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
            self.called.append(address)
            assert address == (PUBLIC, 443), "a connection to an address that was not checked"
            return connect(("127.0.0.1", server.port), *args, **options)

        monkeypatch.setattr(urllib3.util.connection, "create_connection", create_connection)


def call(
    resolve: Callable[[str, int], list[str]] = lambda _host, _port: [PUBLIC],
    *,
    url: PublicUrl | None = None,
    seconds: float = 5.0,
    context: ssl.SSLContext | None = None,
) -> Answer:
    client = PublicClient(resolve=resolve, ssl_context=context or client_context(), seconds=seconds)
    url = url or parse_url(f"https://{NAME}/postback?cid=1%2F2")
    budget = Budget(time.monotonic() + 30, 0.0)
    return client.call("tracker", "postback", "GET", url, headers={}, body=None, budget=budget)


def test_the_checked_address_is_called_in_the_name_of_the_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(sends(OK)) as server:
        internet = Internet(server, monkeypatch)
        answer = call()
    assert (answer.status, answer.body) == (200, b"")
    assert internet.called == [(PUBLIC, 443)]
    head = server.requests[0].decode()
    assert head.startswith("GET /postback?cid=1%2F2 HTTP/1.1\r\n")
    assert f"Host: {NAME}\r\n" in head


def test_another_answer_of_the_resolver_has_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"], ["169.254.169.254"]])
    with serving(sends(OK)) as server:
        internet = Internet(server, monkeypatch)
        assert call(lambda _host, _port: next(answers)).status == 200
        assert internet.called == [(PUBLIC, 443)]
        with pytest.raises(Misconfigured) as refused:
            call(lambda _host, _port: next(answers))
        assert server.connections == 1
    assert refused.value.code is ErrorCode.ADDRESS_REFUSED


@pytest.mark.parametrize("found", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["fd00:ec2::254"], ["::ffff:127.0.0.1"], []])
def test_a_name_with_an_address_that_is_not_public_is_not_called(
    found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(sends(OK)) as server:
        internet = Internet(server, monkeypatch)
        with pytest.raises(Misconfigured):
            call(lambda _host, _port: found)
        assert (internet.called, server.connections) == ([], 0)


def test_a_server_with_another_name_gets_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(sends(OK), name="other.example.com") as server:
        Internet(server, monkeypatch)
        with pytest.raises(Unavailable):
            call()
        assert server.requests == []


def test_a_certificate_of_an_unknown_authority_gets_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(sends(OK)) as server:
        Internet(server, monkeypatch)
        with pytest.raises(Unavailable):
            call(context=ssl.create_default_context())
        assert server.requests == []


def test_a_redirect_is_an_answer_and_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    reply = b"HTTP/1.1 302 Found\r\nLocation: https://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n"
    with serving(sends(reply)) as server:
        internet = Internet(server, monkeypatch)
        assert call().status == 302
        assert len(internet.called) == 1


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(sends(OK)) as server:
        internet = Internet(server, monkeypatch)
        assert call().status == 200
        assert internet.called == [(PUBLIC, 443)]


def test_a_slow_answer_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(drips) as server:
        Internet(server, monkeypatch)
        began = time.monotonic()
        with pytest.raises(Unknown):
            call(seconds=0.6)
        assert time.monotonic() - began < 3


def test_a_slow_resolver_ends_in_time() -> None:
    released = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        released.wait(20)
        return [PUBLIC]

    began = time.monotonic()
    with pytest.raises(Unavailable):
        call(resolve, seconds=0.2)
    released.set()
    assert time.monotonic() - began < 3


def test_nothing_of_a_long_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(pours) as server:
        Internet(server, monkeypatch)
        began = time.monotonic()
        answer = call()
        assert (answer.status, answer.body) == (200, b"")
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("stage", ["dev", "prod", None])
def test_loopback_is_called_in_the_local_stage_only(stage: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if stage is None:
        monkeypatch.delenv("LEADBRIDGE_ENVIRONMENT", raising=False)
    else:
        monkeypatch.setenv("LEADBRIDGE_ENVIRONMENT", stage)
    url = parse_url("http://127.0.0.1:9/x", allow_loopback=True)
    with pytest.raises(Misconfigured):
        call(url=url)
    monkeypatch.setenv("LEADBRIDGE_ENVIRONMENT", "local")
    with pytest.raises(Unavailable):  # nothing listens there
        call(url=url)


def test_an_attempt_after_a_failure_may_get_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [f"8.8.4.{number}" for number in range(30)] + ["2606:4700::1111"]
    client = PublicClient(resolve=lambda _host, _port: addresses)
    url, until = parse_url(f"https://{NAME}/postback"), Budget(time.monotonic() + 30, 0.0)
    found = {client._public_address("tracker", "postback", url, until) for _ in range(20)}
    assert len(found) > 1
    assert found < set(addresses[:-1])
