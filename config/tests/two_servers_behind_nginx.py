"""Two web servers of one product behind nginx, as docs/scaling.md names them; one is killed under load."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import pytest

from config.tests.behind_nginx import HOST, PASSWORD, Site, nginx
from config.tests.processes import SmallProduct, processes_of

CLIENTS, BEFORE, AFTER = 6, 20, 60  # requests of each client


@pytest.fixture
def product(tmp_path):
    given = {"TRUSTED_PROXIES": "1", "SECURE_SSL_REDIRECT": "true", "ALLOWED_HOSTS": f"127.0.0.1,{HOST}"}
    with SmallProduct(tmp_path, THROTTLE_USER="100000/min", **given) as running:
        yield running


def kill(server):
    """End a server at once, with its workers, as a power cut would."""
    for pid in (server.pid, *processes_of(server.pid)):
        os.kill(pid, signal.SIGKILL)
    server.wait()


def test_no_read_fails_while_one_of_two_servers_is_killed(product, tmp_path):
    url = product.another_server()
    product.wait_until_ready(url)
    second, port = product.processes[-1], urlsplit(url).port
    folder = tmp_path / "nginx"
    folder.mkdir()
    with nginx(folder, f"{product.port};\n    server 127.0.0.1:{port}") as (plain, tls, certificate):
        site = Site(folder, plain, tls, certificate)
        person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
        status, _headers, body = site.send("POST", "/api/v1/auth/register", person)
        assert status == 201, body
        authorization = f"Bearer {json.loads(body)['data']['tokens']['accessToken']}"
        killed, under_way = Event(), [Event() for _ in range(CLIENTS)]

        def client(number):
            statuses = []
            for count in range(BEFORE + AFTER):
                statuses.append(site.send("GET", "/api/v1/users/me", Authorization=authorization)[0])
                if count == BEFORE:
                    under_way[number].set()
                if count == BEFORE + AFTER // 2:
                    assert killed.wait(30)
            return statuses

        with ThreadPoolExecutor(CLIENTS) as threads:
            running = [threads.submit(client, number) for number in range(CLIENTS)]
            assert all(event.wait(30) for event in under_way)
            kill(second)
            killed.set()
            statuses = [status for each in running for status in each.result()]

    assert statuses == [200] * (CLIENTS * (BEFORE + AFTER))
    assert f"127.0.0.1:{port}" in (folder / "error.log").read_text()  # it was tried, and another one answered
