"""A load balancer for TCP, which chooses the servers whose readiness is 200."""

import asyncio
import threading
from contextlib import suppress
from itertools import count

from core.tests.waiting import wait_until

CHECK_SECONDS = 0.25


class Balancer:
    """Passes each connection on to one of the ready servers, by turns. Use as a context manager.

    It does not try another server: a connection that is refused is closed, and counted.
    """

    def __init__(self, *ports: int) -> None:
        self.ports, self.ready = ports, set[int]()
        self.refused, self.turn, self.port = 0, count(), 0
        self.connections: set[asyncio.Task[None]] = set()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="balancer")

    def __enter__(self) -> "Balancer":
        self.thread.start()
        wait_until(lambda: self.ready == set(self.ports))
        return self

    def __exit__(self, *_error: object) -> None:
        self.loop.call_soon_threadsafe(self.stopping.set)
        self.thread.join(10)

    async def serve(self) -> None:
        self.loop, self.stopping = asyncio.get_running_loop(), asyncio.Event()
        listener = await asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        checks = [asyncio.create_task(self.check(port)) for port in self.ports]
        await self.stopping.wait()
        listener.close()
        for task in (*checks, *self.connections):
            task.cancel()
        await asyncio.wait([*checks, *self.connections])

    async def check(self, port: int) -> None:
        """Look at the readiness of a server again and again."""
        while True:
            status = b""
            with suppress(OSError, EOFError, TimeoutError):
                async with asyncio.timeout(2):
                    status = await readiness(port)
            (self.ready.add if status == b"200" else self.ready.discard)(port)
            await asyncio.sleep(CHECK_SECONDS)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        ready = sorted(self.ready)
        try:
            server = await asyncio.open_connection("127.0.0.1", ready[next(self.turn) % len(ready)])
        except (OSError, ZeroDivisionError):
            self.refused += 1
            await close(writer)
            return
        await asyncio.gather(copy(reader, server[1]), copy(server[0], writer))


async def readiness(port: int) -> bytes:
    """Return the status that this server responds with. Closes the connection also when it is cut or too slow."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return (await reader.readexactly(12))[9:]
    finally:
        writer.close()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side closes, and close the other."""
    try:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
    finally:
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
