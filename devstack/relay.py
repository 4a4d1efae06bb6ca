"""Relaying TCP connections, for servers on 127.0.0.1 that containers or a proxy must reach."""

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

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
    loop = asyncio.new_event_loop()
    servers = [loop.run_until_complete(relay(each, "127.0.0.1", each.getsockname()[1])) for each in listeners]
    thread = threading.Thread(target=loop.run_forever, name="forwarding", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for server in servers:
            loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_cancel_tasks())
        loop.close()


async def _cancel_tasks() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
