"""Letting containers reach servers that listen on this machine's 127.0.0.1."""

import asyncio
import errno
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

CHUNK = 65_536


@contextmanager
def forwarded(address: str, ports: Sequence[int]) -> Iterator[None]:
    """Forward these ports of an address to 127.0.0.1 while the block lasts.

    Nothing is done where the address is none of this machine's: Docker's own virtual machine forwards it then.
    """
    try:
        listeners = [socket.create_server((address, port)) for port in ports]
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        yield
        return
    loop = asyncio.new_event_loop()
    servers = [loop.run_until_complete(_forward(listener)) for listener in listeners]
    thread = threading.Thread(target=loop.run_forever, name="forwarding", daemon=True)
    thread.start()
    try:
        yield
    finally:
        for server in servers:
            loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_let_go())
        loop.close()


async def _forward(listener: socket.socket) -> asyncio.Server:
    port = listener.getsockname()[1]

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))

    return await asyncio.start_server(connected, sock=listener)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.close()


async def _let_go() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
