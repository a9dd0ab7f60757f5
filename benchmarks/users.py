"""Measure many users at once: 1,000 on connections of their own, with time to think between two requests, 80 % reads.

    python .ci/services.py python -m benchmarks.users

Meanwhile others log in. Fails when p95 is above 200 ms or a tenth of a per cent
of the requests fails.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from benchmarks import contenders, options, run
from benchmarks.client import Unexpected
from benchmarks.load import SCENARIOS, Failed, Request

MIX = ("L", "D", "L", "D", "search", "D", "L", "D", "C", "C")  # 80 % reads
THINK_SECONDS = 2.0  # on average; 1,000 users then send 500 requests a second
MAX_P95_SECONDS, MAX_FAILED_SHARE = 0.2, 0.001
START_SECONDS = 5.0  # in which the users arrive


class User:
    """A user who sends requests on a connection of their own, one after the other."""

    def __init__(self, port: int, requests: list[Request], chance: random.Random) -> None:
        self.port, self.requests, self.chance = port, requests, chance
        self.replies: list[tuple[float, int, float]] = []  # when sent, status (0 without a response), seconds

    async def act(self, ends: float, pause: float) -> None:
        await asyncio.sleep(self.chance.uniform(0, START_SECONDS))
        streams, is_second = None, False
        while time.monotonic() < ends:
            request, began, status = self.chance.choice(self.requests), time.monotonic(), 0
            try:
                async with asyncio.timeout(30):
                    streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                    status = await exchange(*streams, request)
            except (OSError, EOFError, TimeoutError) as error:
                was_open = streams is not None and not getattr(error, "partial", b"")
                streams = None
                if was_open and not is_second:  # closed while its user was thinking (RFC 9112, 9.3.1)
                    is_second = True
                    continue
            is_second = False
            self.replies.append((began, status, time.monotonic() - began))
            await asyncio.sleep(self.chance.expovariate(1 / pause))
        if streams is not None:
            streams[1].close()


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> int:
    body = b"" if request.body is None else json.dumps(request.body).encode()
    token = f"Authorization: Bearer {request.token}\r\n" if request.token else ""
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{request.method} {request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}{kind}\r\n"
    writer.write(head.encode() + body)
    response = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(response.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0"))
    return int(response[9:12])


async def everybody(users: list[User], others: list[User], seconds: float) -> None:
    ends = time.monotonic() + seconds
    await asyncio.gather(
        *(user.act(ends, THINK_SECONDS) for user in users), *(other.act(ends, 1.0) for other in others)
    )


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=options.at_least(1), default=1000)
    parser.add_argument("--seconds", type=options.at_least(5), default=60)
    parser.add_argument("--logins", type=options.at_least(0), default=4, help="a second, meanwhile (4)")
    options.add_services(parser)
    chosen = options.with_services(parser, arguments)
    chosen.only, chosen.resources = [contenders.OURS.name], 100
    count, chosen.users = chosen.users, 200
    try:
        with tempfile.TemporaryDirectory(prefix="users-") as name, ExitStack() as stack:
            [running], callers = run.start(stack, chosen, Path(name))
            streams = {each: SCENARIOS[each](running, *callers) for each in {*MIX, "login"}}
            mixed = [
                streams[MIX[index % len(MIX)]][index % len(streams[MIX[index % len(MIX)]])]
                for index in range(2000)
            ]
            chance = random.Random(1)
            users = [User(running.port, mixed, random.Random(chance.random())) for _ in range(count)]
            others = [
                User(running.port, streams["login"], random.Random(chance.random()))
                for _ in range(chosen.logins)
            ]
            began = time.monotonic()
            asyncio.run(everybody(users, others, chosen.seconds))
    except (Failed, Unexpected) as error:
        print(f"users: {error}", file=sys.stderr)
        return 1
    replies = [reply for user in users for reply in user.replies if reply[0] - began > START_SECONDS]
    waits = [seconds for _began, _status, seconds in replies]
    statuses = Counter(status for _began, status, _seconds in replies)
    failed = sum(number for status, number in statuses.items() if status not in {200, 201})
    p95 = percentile(waits, 0.95)
    print(
        f"{count} users, {len(replies) / (chosen.seconds - START_SECONDS):.0f} requests/s: p50 "
        f"{percentile(waits, 0.5) * 1000:.0f}, p95 {p95 * 1000:.0f}, p99 {percentile(waits, 0.99) * 1000:.0f} ms, "
        f"{failed} of {len(replies)} failed {dict(statuses)}"
    )
    logins = Counter(status for other in others for _began, status, _seconds in other.replies)
    print(f"log-ins meanwhile: {dict(logins)}")
    return int(p95 > MAX_P95_SECONDS or failed > MAX_FAILED_SHARE * len(replies))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
