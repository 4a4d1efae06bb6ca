"""botocore's requests by http.client: what is reused, and that each failure is the one that botocore's retries know."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.client import HTTPConnection
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.session import get_session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from leadbridge.domain.clock import utc_now
from leadbridge.runtime.aws_errors import is_transient
from leadbridge.runtime.aws_transport import HttpSender, _tls

BODY = json.dumps({"Item": {"pk": {"S": "LEAD#1"}}}).encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)

type MakeClient = Callable[..., Any]
type Answer = Callable[[socket.socket], bool]  # returns whether the connection stays open


class Server:
    """Answers each request by the next function, and the rest by OK. Counts connections and requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.answers: list[Answer] = []
        self.connections: list[socket.socket] = []
        self.requests: list[bytes] = []
        self.closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for connection in self.connections:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        if self._tls is not None:
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client refused the certificate
                connection.close()
                return
        with connection, connection.makefile("rb") as reader:
            while reader.readline().startswith(b"POST / HTTP/1.1"):
                headers = dict(iter(lambda: reader.readline().rstrip().lower().partition(b": ")[::2], (b"", b"")))
                self.requests.append(reader.read(int(headers[b"content-length"])))
                answer = self.answers.pop(0) if self.answers else ok
                if not answer(connection):
                    connection.shutdown(socket.SHUT_RDWR)
                    self.closed.set()
                    return


def ok(connection: socket.socket) -> bool:
    connection.sendall(OK)
    return True


def ok_and_close(connection: socket.socket) -> bool:
    connection.sendall(OK)
    return False


def close(_: socket.socket) -> bool:
    return False


def truncated(connection: socket.socket) -> bool:
    connection.sendall(OK[:-5])
    return False


def rubbish(connection: socket.socket) -> bool:
    connection.sendall(b"rubbish\r\n\r\n")
    return False


def silent(_: socket.socket) -> bool:
    return True


def failing(connection: socket.socket) -> bool:
    connection.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 2\r\n\r\n{}")
    return True


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


@pytest.fixture
def client(server: Server) -> Iterator[MakeClient]:
    """Make clients whose connections are closed at the end."""
    senders: list[HttpSender] = []

    def make(url: str = server.url, attempts: int = 1, read_timeout: float = 0.2) -> Any:
        senders.append(HttpSender(1, read_timeout))
        return new_client(url, attempts, senders[-1])

    yield make
    for sender in senders:
        sender.close()


def new_client(url: str, attempts: int, sender: HttpSender) -> Any:
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    made: Any = get_session().create_client(
        "dynamodb",
        region_name="eu-central-1",
        endpoint_url=url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        config=Config(retries=retries),
    )
    made.meta.events.register("before-send", sender)
    return made


def read(aws_client: Any) -> Any:
    return aws_client.get_item(TableName="leads", Key={"pk": {"S": "LEAD#1"}})["Item"]["pk"]["S"]


def test_a_connection_is_reused(server: Server, client: MakeClient) -> None:
    dynamodb = client()
    assert [read(dynamodb) for _ in range(3)] == ["LEAD#1"] * 3
    assert len(server.connections) == 1
    assert json.loads(server.requests[0]) == {"TableName": "leads", "Key": {"pk": {"S": "LEAD#1"}}}


def test_a_connection_that_aws_closed_meanwhile_is_replaced_without_a_failure(
    server: Server, client: MakeClient
) -> None:
    dynamodb = client()
    server.answers = [ok_and_close]
    assert read(dynamodb) == "LEAD#1"
    assert server.closed.wait(5)
    assert read(dynamodb) == "LEAD#1"
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (close, ConnectionClosedError),
        (truncated, ConnectionClosedError),
        (rubbish, ConnectionClosedError),
        (silent, ReadTimeoutError),
    ],
)
def test_an_answer_that_fails_raises_botocores_error_and_is_retried(
    server: Server, client: MakeClient, answer: Answer, error: type[Exception]
) -> None:
    server.answers = [answer]
    with pytest.raises(error) as raised:
        read(client())
    assert is_transient(raised.value)
    server.answers = [answer, failing]
    assert read(client(attempts=3)) == "LEAD#1"


def test_a_connection_with_a_late_answer_is_not_used_again(server: Server, client: MakeClient) -> None:
    dynamodb = client()
    server.answers = [silent]
    with pytest.raises(ReadTimeoutError):
        read(dynamodb)
    assert read(dynamodb) == "LEAD#1"
    assert len(server.connections) == 2


def test_a_server_that_cannot_be_reached_raises_botocores_error(client: MakeClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(EndpointConnectionError) as raised:
        read(client(f"http://127.0.0.1:{port}"))
    assert is_transient(raised.value)


def test_a_server_without_a_certificate_is_refused(server: Server, client: MakeClient) -> None:
    with pytest.raises((SSLError, ConnectTimeoutError, EndpointConnectionError)):
        read(client(server.url.replace("http://", "https://")))
    assert server.requests == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the certificate of 127.0.0.1, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder(subject_name=name, issuer_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(pem)
    return file


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    found = Server(context)
    yield found
    found.close()


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set AWS_CA_BUNDLE for the connections of a test."""
    _tls.cache_clear()
    yield lambda file: monkeypatch.setenv("AWS_CA_BUNDLE", file)
    _tls.cache_clear()


def test_a_server_with_a_certificate_of_the_bundle_is_trusted(
    tls_server: Server, client: MakeClient, certificate: Path, bundle: Callable[[str], None]
) -> None:
    bundle(str(certificate))
    assert read(client(tls_server.url, read_timeout=5)) == "LEAD#1"
    with pytest.raises(SSLError):  # the certificate is of another name
        read(client(tls_server.url.replace("127.0.0.1", "localhost"), read_timeout=5))
    assert len(tls_server.requests) == 1


def test_a_server_with_an_unknown_certificate_is_refused(
    tls_server: Server, client: MakeClient, bundle: Callable[[str], None]
) -> None:
    with pytest.raises(SSLError):
        read(client(tls_server.url, read_timeout=5))
    assert tls_server.requests == []


def test_threads_share_a_client(server: Server, client: MakeClient) -> None:
    dynamodb, found = client(read_timeout=5), list[Any]()
    threads = [threading.Thread(target=lambda: found.extend(read(dynamodb) for _ in range(5))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == ["LEAD#1"] * 20
    assert len(server.connections) <= 4


def test_a_request_is_sent_as_a_whole_and_by_this_sender(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    send = HTTPConnection.send

    def noted(connection: HTTPConnection, data: bytes) -> None:
        sent.append(data)
        send(connection, data)

    monkeypatch.setattr(HTTPConnection, "send", noted)
    sender = HttpSender(1, 1)
    answer = sender(AWSRequest("POST", f"{server.url}/", {"X-Amz-Target": "GetItem"}, b'{"a": 1}').prepare())
    sender.close()
    assert answer is not None
    assert (answer.status_code, answer.content) == (200, BODY)
    assert len(sent) == 1
    assert sent[0].endswith(b'\r\n\r\n{"a": 1}')
