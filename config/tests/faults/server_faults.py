"""A server that is replaced, flooded, or held up by slow clients, without a proxy in front of it."""

import fcntl
import os
import resource
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from config.tests.faults.balancer import Balancer
from config.tests.faults.crowd import Crowd, SlowCrowd
from config.tests.processes import call, processes_of
from core.tests.ports import free_port
from core.tests.waiting import wait_until

ENVIRONMENT = {"CELERY_BROKER_URL": ""}
PATH = "/api/v1/resources"
RESTARTS = int(os.environ.get("FAULT_RESTARTS", "2"))
HALF = (
    b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b'Content-Length: 100\r\n\r\n{"email": '
)


@pytest.fixture(scope="module")
def token(stage):
    access = stage.user("ann")
    for number in range(20):
        assert stage.api("POST", "/resources", {"title": f"{number}"}, access).status == 201
    return access


def test_rolling_restarts_drop_no_request(stage, token, figure):
    """`kill -HUP` of a server with one process, under load, again and again."""
    url = stage.another_server()
    stage.wait_until_ready(url)
    log = stage.log_path
    ended = threading.Event()

    def restart():
        try:
            for _ in range(RESTARTS):
                stopped = log.read_text().count("Stopped old worker")
                stage.processes[-1].send_signal(signal.SIGHUP)
                wait_until(lambda stopped=stopped: log.read_text().count("Stopped old worker") > stopped, 60)
        finally:
            ended.set()

    crowd = Crowd(urlsplit(url).port, PATH, token, clients=8)
    with ThreadPoolExecutor() as threads:
        restarting = threads.submit(restart)
        while not ended.is_set():
            crowd.run(1)
        restarting.result()
    crowd.run(1)

    figure("restarts", RESTARTS)
    figure("requests, failed", f"{len(crowd.replies)}, {len(crowd.replies) - crowd.statuses[200]}")
    assert set(crowd.statuses) == {200}


def instance(stage, port):
    """Start one of several servers, which serves for 2 s after SIGTERM. The caller stops it."""
    server = stage.start("manage.py", "serve", "--port", str(port), "--workers", "1", "--drain", "2")
    stage.processes.remove(server)
    return server


def terminate(server, port, token):
    """Send SIGTERM. Return whether it served while its readiness was 503, its exit status, and the seconds to it."""
    url = f"http://127.0.0.1:{port}"
    began = time.monotonic()
    server.send_signal(signal.SIGTERM)
    wait_until(lambda: call(f"{url}/health/ready").status == 503, 2)
    served = call(f"{url}{PATH}", token=token).status == 200
    return served, server.wait(40), time.monotonic() - began


def test_instances_behind_a_load_balancer_are_replaced_without_a_failure(stage, token, figure):
    """SIGTERM of one of two, again and again, under load and with requests of a second."""
    servers = {port: instance(stage, port) for port in (free_port(), free_port())}
    ended, stops = threading.Event(), []

    def restart(balancer):
        try:
            for number in range(RESTARTS):
                port = list(servers)[number % 2]
                stops.append(terminate(servers[port], port, token))
                servers[port] = instance(stage, port)
                wait_until(lambda: balancer.ready == set(servers), explain=stage.log_path.read_text)
        finally:
            ended.set()

    try:
        with Balancer(*servers) as balancer, ThreadPoolExecutor() as threads:
            crowd, slow = Crowd(balancer.port, PATH, token, clients=8), SlowCrowd(balancer.port, PATH, token)
            restarting = threads.submit(restart, balancer)
            while not ended.is_set():
                [each.result() for each in [threads.submit(one.run, 3) for one in (crowd, slow)]]
            restarting.result()
    finally:
        for server in servers.values():
            server.terminate()
            server.wait(40)

    figure(
        "restarts; slowest from SIGTERM to the exit", f"{RESTARTS}; {max(stop[2] for stop in stops):.1f} s"
    )
    figure("requests, of a second, failed", f"{len(crowd.replies)}, {len(slow.replies)}, {balancer.refused}")
    assert (set(crowd.statuses), set(slow.statuses), balancer.refused) == ({200}, {201}, 0)
    assert {stop[:2] for stop in stops} == {(True, 0)}
    assert max(stop[2] for stop in stops) < 30


def test_a_refusal_by_a_limit_says_within_a_second_when_to_come_again(stage, figure):
    """Eight clients send on: the first that is served again shows when the window has ended."""
    token = stage.user("hasty")  # whom no other server has counted
    url = stage.another_server(THROTTLE_USER="20/3s")
    stage.wait_until_ready(url)
    ends, replies = time.monotonic() + 8, []  # when it was sent, when it ended, status, Retry-After

    def repeat(_client):
        while time.monotonic() < ends:
            began = time.monotonic()
            reply = call(f"{url}{PATH}", token=token)
            replies.append((began, time.monotonic(), reply.status, int(reply.headers.get("Retry-After", 0))))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(repeat, range(8)))
    served = sorted((began, ended) for began, ended, status, _seconds in replies if status == 200)
    refused = [
        (began + seconds, ended + seconds, next((end for begin, end in served if begin > ended), None))
        for began, ended, status, seconds in replies
        if status == 429
    ]
    late = max(again - latest for _earliest, latest, again in refused if again)
    early = max(earliest - again for earliest, _latest, again in refused if again)

    figure("refused; Retry-After too short, too long by", f"{len(refused)}; {late:.2f}, {early:.2f} s")
    assert {status for _began, _ended, status, _seconds in replies} == {200, 429}
    assert late < 1
    assert early < 1


def test_half_sent_bodies_delay_nobody(stage, token, figure):
    alone = Crowd(stage.port, PATH, token, clients=4).run(3)
    with ExitStack() as stack:
        held = [
            stack.enter_context(socket.create_connection(("127.0.0.1", stage.port), timeout=30))
            for _ in range(300)
        ]
        for connection in held:
            connection.sendall(HALF)
        meanwhile = Crowd(stage.port, PATH, token, clients=4).run(3)
        statuses = {connection.recv(12)[9:] for connection in held}

    figure("p95 alone, meanwhile", f"{alone.percentile(0.95):.3f}, {meanwhile.percentile(0.95):.3f} s")
    assert set(meanwhile.statuses) == {200}
    assert meanwhile.percentile(0.95) < 3 * alone.percentile(0.95) + 0.05
    assert statuses == {b"408", b"429"}  # each process reads 64 of one address at once


def test_ten_times_more_clients_than_it_can_serve(stage, token, figure):
    peak = Crowd(stage.port, PATH, token, clients=16).run(4)
    probe = Crowd(stage.port, "/health/live", clients=1)
    watching = threading.Thread(target=probe.run, args=(8,))
    watching.start()
    flood = Crowd(stage.port, PATH, token, clients=800).run(8)
    watching.join()
    after = Crowd(stage.port, PATH, token, clients=16).run(2)

    figure(
        "goodput at the peak, flooded, after", f"{peak.rate():.0f}, {flood.rate():.0f}, {after.rate():.0f} /s"
    )
    figure("statuses", dict(sorted(flood.statuses.items())))
    figure("slowest refusal", flood.slowest(status=503), "s")
    figure("slowest liveness", probe.slowest(), "s")
    assert flood.statuses.keys() <= {200, 503, 429}
    assert flood.slowest() < 4
    assert flood.rate() > 0.6 * peak.rate()  # the target is 0.8; the clients have the same two cores
    assert probe.statuses.keys() == {200}
    assert after.rate() > 0.6 * peak.rate()


def test_a_killed_process_fails_only_its_own_requests(stage, token, figure):
    """`kill -9` of one of two: the other goes on, and a new one takes its place."""
    crowd = Crowd(stage.port, PATH, token, clients=8)
    crowd.run(1)
    server = stage.processes[0]
    [victim, other] = processes_of(server.pid)
    with ThreadPoolExecutor() as threads:
        running = threads.submit(crowd.run, 3)
        wait_until(lambda: len(crowd.replies) > 100)
        began = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: len(set(processes_of(server.pid)) - {victim, other}) == 1, 60)
        replaced = time.monotonic() - began
        running.result()
    after = Crowd(stage.port, PATH, token, clients=8).run(2)

    failed = len(crowd.replies) - crowd.statuses[200]
    figure("failed, of", f"{failed}, {len(crowd.replies)}")
    figure("replaced after", replaced, "s")
    assert failed <= 8  # what was on its way to it
    assert set(after.statuses) == {200}


def test_a_server_out_of_descriptors_recovers(stage, token, figure):
    """More connections than the process may open: it serves those that it has, and all again when they are closed."""
    url = stage.another_server()
    stage.wait_until_ready(url)
    port = urlsplit(url).port
    [worker] = processes_of(stage.processes[-1].pid)
    used = len(list(Path(f"/proc/{worker}/fd").iterdir()))
    resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 40, used + 40))
    kept = Crowd(port, PATH, token, clients=4)
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        serving = threads.submit(kept.run, 4)
        wait_until(lambda: len(kept.replies) > 20)
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        serving.result()
    after = Crowd(port, PATH, token, clients=4).run(2)

    figure("statuses meanwhile, after", f"{dict(kept.statuses)}, {dict(after.statuses)}")
    assert kept.statuses.keys() <= {200, 503}
    assert set(after.statuses) == {200}


def refused_by_the_loop(port):
    """Send a request without a Host; return the status."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"GET /api/v1/resources HTTP/1.1\r\n\r\n")
        return connection.recv(12)[9:]


@contextmanager
def logged_to(stage, descriptor):
    """Let the servers that are started in the block write their log to this descriptor."""
    before, stage.log = stage.log, descriptor
    yield
    stage.log = before


@pytest.mark.parametrize("reader", ["has stopped", "has ended"])
def test_a_log_that_nobody_reads_delays_nobody(stage, token, figure, reader):
    """The pipe is full, or closed. The loop of the server writes lines too, for what it refuses."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    if reader == "has ended":
        os.close(reading)
    with logged_to(stage, writing):
        url = stage.another_server()
    os.close(writing)
    server = stage.processes[-1]
    try:
        stage.wait_until_ready(url)
        port = urlsplit(url).port
        crowd, probe = Crowd(port, PATH, token, clients=4), Crowd(port, "/health/live", clients=1)
        with ThreadPoolExecutor() as threads:
            running = [threads.submit(each.run, 3) for each in (crowd, probe)]
            wait_until(lambda: len(crowd.replies) > 100)
            refused = [refused_by_the_loop(port) for _ in range(20)]
            [each.result() for each in running]
    finally:
        server.send_signal(signal.SIGTERM)
        began = time.monotonic()
        status = server.wait(40)
        stage.processes.remove(server)

    figure(
        "requests, slowest, slowest liveness",
        f"{len(crowd.replies)}, {crowd.slowest():.2f}, {probe.slowest():.2f} s",
    )
    figure("stopped after", time.monotonic() - began, "s")
    assert (set(crowd.statuses), set(probe.statuses)) == ({200}, {200})
    assert set(refused) == {b"400"}
    assert crowd.slowest() < 2
    assert probe.slowest() < 1
    assert status == 0
