"""Relaying TCP connections, for servers on 127.0.0.1 that containers or a proxy must reach."""

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress

CHUNK = 65_536


async def relay(listener: socket.socket, host: str, port: int) -> asyncio.Server:
    """Relay the connections of a listening socket to a port of a host."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    return await asyncio.start_server(connect, sock=listener)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.close()


@contextmanager
def forwarded(address: str, ports: Sequence[int]) -> Iterator[None]:
    """Forward these ports of an address to 127.0.0.1 while the block runs, unless Docker's virtual machine does."""
    try:
        listeners = [socket.create_server((address, port)) for port in ports]
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        yield
        return
    is_over = asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as servers:
            for listener in listeners:
                server = await relay(listener, "127.0.0.1", listener.getsockname()[1])
                servers.callback(server.close)
            await is_over.wait()

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=runner.run, args=(serve(),), name="forwarding", daemon=True)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(is_over.set)
            thread.join()
