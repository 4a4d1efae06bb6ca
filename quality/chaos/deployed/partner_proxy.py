"""A TCP proxy in front of the sandbox, `python -m quality.chaos.deployed.partner_proxy PORT HOST:PORT`.

The sandbox keeps its state in memory, so a run kills the proxy instead: connections break in the middle, new ones are
refused, and what was processed stays processed.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from urllib.parse import urlsplit

from devstack.relay import relay
from devstack.workdir import PROJECT, choose_port, wait_until


class PartnerProxy:
    """The proxy of the sandbox at `url`, as a process."""

    def __init__(self, url: str) -> None:
        self.url, self.port = url, choose_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start it if it does not run, and wait until it accepts connections."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "quality.chaos.deployed.partner_proxy", str(self.port)]
        self.process = subprocess.Popen([*command, urlsplit(self.url).netloc], cwd=PROJECT, stdin=subprocess.DEVNULL)
        wait_until(self._answers, timeout=10, otherwise="The proxy of the partners does not start.", interval=0.02)

    def kill(self) -> None:
        """Kill it, and all connections with it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


async def serve(port: int, host: str, to: int) -> None:
    async with await relay(socket.create_server(("127.0.0.1", port)), host, to) as server:
        await server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt is for the run, which stops this process
    to_host, _, to_port = sys.argv[2].partition(":")
    asyncio.run(serve(int(sys.argv[1]), to_host, int(to_port)))
