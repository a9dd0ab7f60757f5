"""The product, a page of another origin, and a Chromium that has never been used. Nothing of this waits for ever."""

import faulthandler
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from servers import Quiet, served, with_tls

from core.tests.ports import free_port
from core.tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600  # of the whole run
START_SECONDS = 60
INSTALL = "needs Chromium and its driver: apt-get install chromium chromium-driver"


def pytest_sessionstart() -> None:
    signal.signal(signal.SIGALRM, lambda *_: pytest.exit(f"stopped after {SECONDS} s", returncode=1))
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(SECONDS + 60, exit=True)  # should even the end of the run hang


def program(*names: str) -> str:
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.exit(f"make test-browser {INSTALL} (no {' or '.join(names)} here)", returncode=1)
    return path


@dataclass(frozen=True)
class Site:
    """Site with the addresses of page and API, and the options with which the browser resolves them on this
    machine."""

    page: str
    api: str
    access_cookie: str
    refresh_cookie: str
    environment: dict[str, str]


DEVELOPMENT = Site(
    page="http://localhost:5500",
    api="http://localhost:8000",  # as docs/api.md has it
    access_cookie="dev-access",
    refresh_cookie="dev-refresh",
    environment={"DEBUG": "true", "FRONTEND_URL": "http://localhost:8000"},  # where links in emails lead
)
PRODUCTION = Site(
    page="https://app.example.com",
    api="https://api.example.com",
    access_cookie="__Host-access",
    refresh_cookie="__Secure-refresh",
    environment={
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "api.example.com",
        "TRUSTED_PROXIES": "1",
    },
)


@pytest.fixture(scope="session", params=[DEVELOPMENT, PRODUCTION], ids=["development", "production"])
def site(request: pytest.FixtureRequest) -> Site:
    path: Site = request.param
    return path


@pytest.fixture(scope="session")
def api(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the product with its demo data, on a database of its own; in production behind a proxy with TLS.
    Yields its port."""
    folder, port = tmp_path_factory.mktemp("product"), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        # Nothing of a .env file counts.
        **dict.fromkeys(
            ("REDIS_URL", "CELERY_BROKER_URL", "EMAIL_HOST", "CSRF_TRUSTED_ORIGINS", "ALLOWED_HOSTS"), ""
        ),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "MEDIA_ROOT": str(folder / "media"),
        "CORS_ALLOWED_ORIGINS": site.page,
        **site.environment,
    }
    manage = [ROOT / ".venv/bin/python", "manage.py"]
    for command in (["migrate", "--verbosity", "0"], ["seed"]):
        subprocess.run(
            [*manage, *command],
            cwd=ROOT,
            env=environment | {"DEBUG": "true"},
            check=True,
            timeout=START_SECONDS,
        )
    log = folder / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*manage, "runserver", f"127.0.0.1:{port}", "--noreload"],
            cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(
            lambda: socket.create_connection(("127.0.0.1", port), timeout=5),
            START_SECONDS,
            processes=[server],
            explain=log.read_text,
        ).close()
        with ExitStack() as stack:
            yield stack.enter_context(with_tls(port, folder)) if site is PRODUCTION else port
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="session")
def page(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the client of docs/api.md as client.html: unchanged in development, in production with its address.
    Yields its port."""
    folder = tmp_path_factory.mktemp("page")
    block = re.compile(r"^```html\n(<!doctype html>.*?)^```", re.DOTALL | re.MULTILINE)
    [text] = block.findall((ROOT / "docs/api.md").read_text())
    assert text.count(DEVELOPMENT.api) == 1
    (folder / "client.html").write_text(text.replace(DEVELOPMENT.api, site.api))
    with served(partial(Quiet, directory=str(folder))) as port:
        if site is DEVELOPMENT:
            yield port
        else:
            with with_tls(port, folder) as encrypted:
                yield encrypted


@pytest.fixture
def start_browser(
    site: Site, api: int, page: int, tmp_path: Path
) -> Iterator[Callable[[], webdriver.Chrome]]:
    driver, binary = program("chromedriver"), program("chromium", "chromium-browser", "google-chrome")
    started: list[webdriver.Chrome] = []
    hosts = {site.api: api, site.page: page}

    def start() -> webdriver.Chrome:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for argument in (
            *("headless", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
            *("disable-component-update", "disable-sync", "disable-dev-shm-usage"),
            f"user-data-dir={tmp_path / f'profile-{len(started)}'}",
            "host-resolver-rules="
            + ", ".join(f"MAP {host(url)} 127.0.0.1:{port}" for url, port in hosts.items()),
            *(["no-sandbox"] if os.geteuid() == 0 else []),  # Chromium's sandbox refuses root
            *(["ignore-certificate-errors"] if site is PRODUCTION else []),  # they were made a moment ago
        ):
            options.add_argument(f"--{argument}")
        browser = webdriver.Chrome(options=options, service=Service(executable_path=driver))
        started.append(browser)
        browser.set_page_load_timeout(30)
        browser.set_script_timeout(30)
        return browser

    yield start
    for browser in started:
        browser.quit()


def host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 443}"


@pytest.fixture
def browser(start_browser: Callable[[], webdriver.Chrome]) -> webdriver.Chrome:
    return start_browser()
