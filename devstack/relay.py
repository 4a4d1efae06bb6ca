"""Relaying TCP connections, for servers on 127.0.0.1 that containers or a proxy must reach."""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

CHUNK = 65_536


class Relay(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 100

    def __init__(self, address: tuple[str, int], target: tuple[str, int]) -> None:
        self.target = target
        super().__init__(address, _Connection)


class _Connection(BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        with suppress(OSError), socket.create_connection(self.server.target) as there:
            back = Thread(target=_copy, args=(there, self.request), daemon=True)
            back.start()
            _copy(self.request, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@contextmanager
def forwarded(address: str, ports: Sequence[int]) -> Iterator[None]:
    """Forward these ports of an address to 127.0.0.1 while the block runs, unless Docker's virtual machine does."""
    with ExitStack() as held:
        try:
            servers = [held.enter_context(Relay((address, port), ("127.0.0.1", port))) for port in ports]
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            servers = []
        for server in servers:
            Thread(target=server.serve_forever, name="forwarding", daemon=True).start()
            held.callback(server.shutdown)
        yield
