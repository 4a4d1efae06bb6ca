"""A door before the partners, `python -m quality.chaos.deployed.front PORT HOST:PORT`: it can be killed, and the
partners live.

A partner whose servers die keeps its database; the sandbox keeps its own in memory. So it is the door that is killed:
connections break in the middle, new ones are refused, and what was processed stays processed.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from devstack.workdir import PROJECT, choose_port, wait_until

CHUNK = 64 * 1024


@dataclass
class Front:
    """The door before a sandbox at `url`, as a process of its own."""

    url: str
    port: int = field(default_factory=lambda: int(choose_port()))
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What stands in secrets instead of the sandbox's own address."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Start it, if it does not run, and wait until it takes connections."""
        if self.process is not None and self.process.poll() is None:
            return
        command = [sys.executable, "-m", "quality.chaos.deployed.front", str(self.port), urlsplit(self.url).netloc]
        self.process = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.DEVNULL)
        wait_until(self._answers, timeout=10, otherwise="The door before the partners does not open.", interval=0.02)

    def kill(self) -> None:
        """Kill it, and all connections with it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def _answers(self) -> bool:
        import socket

        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def serve(port: int, host: str, to: int) -> None:
    """Relay what comes to a port to another one, until the process ends."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await asyncio.open_connection(host, to)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_relay(reader, there[1]), _relay(there[0], writer))

    async with await asyncio.start_server(meet, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's interrupt is for the run, which ends this one
    to_host, _, to_port = sys.argv[2].partition(":")
    asyncio.run(serve(int(sys.argv[1]), to_host, int(to_port)))
