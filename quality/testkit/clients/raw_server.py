"""A server that answers with any bytes at all, at any pace: for what no HTTP server can be made to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


def with_length(length: int) -> bytes:
    """The head of an answer whose body has so many bytes."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()


class RawServer:
    """Reads one request of every connection, sends `pieces` with `pause` seconds before each, and hangs up.

    The last thing it does before hanging up is to wait `linger` seconds. Connections after the first get `then`, at
    once, if it is given.
    """

    def __init__(
        self, pieces: Iterable[bytes] = (), *, pause: float = 0, linger: float = 0, then: bytes | None = None
    ) -> None:
        self._pieces = tuple(pieces)
        self._then = then
        self._pause = pause
        self._linger = linger
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> RawServer:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _begin(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        script = (self._pieces, self._pause)
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            self._begin(self._serve, connection, *script)
            if self._then is not None:
                script = ((self._then,), 0.0)

    def _serve(self, connection: socket.socket, pieces: tuple[bytes, ...], pause: float) -> None:
        connection.settimeout(0.05)
        with connection:
            try:
                self._read_request(connection)
                for piece in pieces:
                    if self._stop.wait(pause):
                        return
                    connection.settimeout(5)
                    connection.sendall(piece)
                self._stop.wait(self._linger)
            except OSError:
                return

    def _read_request(self, connection: socket.socket) -> None:
        received = b""
        while not self._stop.is_set() and not _is_whole(received):
            try:
                more = connection.recv(65_536)
            except TimeoutError:
                continue
            if not more:
                raise ConnectionResetError
            received += more


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(end) and (not lengths or len(body) >= int(lengths[0].partition(b":")[2]))


@contextmanager
def closed_port() -> Iterator[str]:
    """The address of a port that refuses connections."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def never_accepting() -> Iterator[str]:
    """The address of a port whose queue is full: a connection is neither accepted nor refused (on Linux)."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for each in waiting:
                each.setblocking(False)
                each.connect_ex(listener.getsockname())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for each in waiting:
                each.close()
