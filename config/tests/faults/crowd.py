"""Many clients of one server in one thread, each on a connection that it keeps."""

import asyncio
import time
from collections import Counter
from typing import NamedTuple

PAUSE_SECONDS = 0.2
BODY_SECONDS = 1.0


class Reply(NamedTuple):
    """The status of one request, 0 without a response, and how long it took."""

    status: int
    seconds: float


class Crowd:
    """`clients` send the same GET again and again for some seconds. `replies` has one Reply for each.

    As other clients do, they send a request again if a kept connection turns out to be closed (RFC 9112, 9.3.1), and
    wait PAUSE_SECONDS after a refusal.
    """

    keeps_connections = True

    def __init__(self, port: int, path: str, token: str = "", clients: int = 16) -> None:
        self.port, self.clients = port, clients
        authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n".encode()
        self.replies: list[Reply] = []

    def run(self, seconds: float) -> "Crowd":
        async def everybody() -> None:
            await asyncio.gather(*(self.client(time.monotonic() + seconds) for _ in range(self.clients)))

        asyncio.run(everybody())
        self.seconds = seconds
        return self

    async def client(self, ends: float) -> None:
        streams = None
        while time.monotonic() < ends:
            began, status, is_kept = time.monotonic(), 0, streams is not None
            try:
                async with asyncio.timeout(30):
                    if streams is None:
                        streams = await asyncio.open_connection("127.0.0.1", self.port)
                    status = await self.send(*streams)
            except (OSError, EOFError, TimeoutError) as error:
                if streams is not None:
                    streams[1].close()
                streams = None
                if is_kept and not getattr(error, "partial", b""):
                    continue
            self.replies.append(Reply(status, time.monotonic() - began))
            if streams is not None and not self.keeps_connections:
                streams[1].close()
                streams = None
            if status == 503:
                await asyncio.sleep(PAUSE_SECONDS)
        if streams is not None:
            streams[1].close()

    async def send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        _, _, length = head.lower().partition(b"content-length: ")
        await reader.readexactly(int(length.partition(b"\r\n")[0] or b"0"))
        return int(head[9:12])

    @property
    def statuses(self) -> Counter[int]:
        return Counter(one.status for one in self.replies)

    def rate(self, status: int = 200) -> float:
        return self.statuses[status] / self.seconds

    def slowest(self, *, status: int | None = None) -> float:
        return max((one.seconds for one in self.replies if status in {None, one.status}), default=0.0)

    def percentile(self, share: float) -> float:
        ordered = sorted(one.seconds for one in self.replies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class SlowCrowd(Crowd):
    """Clients that need a second for the body of a POST, each time on a new connection."""

    keeps_connections = False

    def __init__(self, port: int, path: str, token: str, clients: int = 4) -> None:
        super().__init__(port, path, token, clients)
        self.body = b'{"title": "slow"}'
        head = f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n\r\n"
        self.head = self.request.replace(b"GET", b"POST", 1)[:-2] + head.encode()

    async def send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        writer.write(self.head + self.body[:5])
        await asyncio.sleep(BODY_SECONDS)
        self.request = self.body[5:]
        return await super().send(reader, writer)
