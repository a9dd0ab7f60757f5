"""The product behind Caddy, set up by deploy/compose/Caddyfile: a part of `make test-proxy`.

The certificate is of an authority that Caddy makes; one of ACME cannot be had without a public name.
"""

import json
import os
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.conf import settings

from config.tests.behind_nginx import HOST, Site, replaced
from config.tests.processes import Product
from core.tests.ports import free_port
from core.tests.waiting import wait_until

FILE = settings.BASE_DIR / "deploy" / "compose" / "Caddyfile"
OWN = settings.BASE_DIR / ".venv-caddy" / "usr" / "bin" / "caddy"
SECONDS = 30


@contextmanager
def caddy(folder, upstream):
    program = OWN if OWN.exists() else shutil.which("caddy")
    assert program, "caddy is missing: apt-get install caddy"
    plain, tls, health = free_port(), free_port(), free_port()
    here = {
        "admin off": "admin off\n\tlocal_certs\n\tskip_install_trust",
        "http_port 8080": f"http_port {plain}",
        "https_port 8443": f"https_port {tls}",
        "127.0.0.1:8081": f"127.0.0.1:{health}",
        "web:8000": f"127.0.0.1:{upstream}",
    }
    (folder / "Caddyfile").write_text(replaced(FILE.read_text(), here))
    environment = os.environ | {
        "DOMAIN": HOST,
        "ACME_EMAIL": "ops@example.com",
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    command = [program, "run", "--config", folder / "Caddyfile", "--adapter", "caddyfile"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    root = folder / "data" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    try:
        log_of = (folder / "log").read_text
        wait_until(root.exists, SECONDS, processes=[process], explain=log_of)
        site = Site(folder, plain, tls, root)
        wait_until(lambda: has_certificate(site), SECONDS, processes=[process], explain=log_of)
        site.health = health
        yield site
    finally:
        process.terminate()
        process.wait(SECONDS)


def has_certificate(site):
    try:
        return site.send("GET", "/metrics")[0] == 404
    except ssl.SSLError:
        return False  # not made yet


class Echo(BaseHTTPRequestHandler):
    """Responds with the headers that have arrived."""

    def do_GET(self):
        body = json.dumps([[name.lower(), value] for name, value in self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with caddy(tmp_path_factory.mktemp("caddy"), server.server_port) as site:
            yield site
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("product")
    given = {"TRUSTED_PROXIES": "1", "SECURE_SSL_REDIRECT": "true", "ALLOWED_HOSTS": f"127.0.0.1,{HOST}"}
    with (
        Product(folder, MEDIA_ROOT=str(folder / "media"), **given) as product,
        caddy(tmp_path_factory.mktemp("caddy"), product.port) as site,
    ):
        yield site


def test_address_and_scheme_cannot_be_forged(echo):
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http", "X-Custom_Name": "1"}
    with echo.connection() as connection:
        underscored = {"X_Forwarded_For": "203.0.113.9", "X_Forwarded_Proto": "http"}
        connection.request("GET", "/", headers={"Host": HOST, **forged, **underscored})
        headers = json.loads(connection.getresponse().read())

    assert [value for name, value in headers if name == "x-forwarded-for"] == ["127.0.0.1"]
    assert [value for name, value in headers if name == "x-forwarded-proto"] == ["https"]
    assert [value for name, value in headers if name == "host"] == [HOST]
    assert [name for name, _value in headers if "_" in name] == []


def test_over_plain_http_pages_are_redirected_and_the_api_refuses(site):
    status, headers, _body = site.send("GET", "/admin/login/", secure=False)
    assert (status, headers["Location"]) == (301, f"https://{HOST}/admin/login/")

    assert site.send("GET", "/api/v1/users/me", secure=False, X_Forwarded_Proto="https")[0] == 403
    assert site.send("GET", "/health", secure=False)[0] == 200


def test_over_tls_nothing_is_redirected_and_browsers_stay_with_it(site):
    status, headers, _body = site.send("GET", "/")

    assert status == 200
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/metrics/",
        "/METRICS",
        "/metrics%2f",
        "/%6detrics",
        "//metrics",
        "/./metrics",
        "/metrics?x=/",
    ],
)
def test_the_metrics_are_not_passed_on(site, path):
    status, headers, _body = site.send("GET", path)

    assert status in {400, 404}
    assert "X-Request-ID" not in headers  # it never came to the product


def test_a_body_of_10_mib_arrives(site):
    response = site.send("POST", "/api/v1/auth/login", b"x" * 10 * 1024 * 1024, Content_Type="text/plain")

    assert response[0] == 415  # of the product


def test_a_larger_one_does_not(site):
    try:
        status = site.send("POST", "/api/v1/auth/login", b"x" * 12 * 1024 * 1024, Content_Type="text/plain")[
            0
        ]
    except OSError:
        return  # the connection was closed before all of it was sent
    assert status == 413


def test_the_log_has_neither_query_strings_nor_headers(site):
    site.send("GET", "/account/reset-password?token=hunter2", Authorization="Bearer hunter2")
    log = site.folder / "log"
    wait_until(lambda: '"uri":"/account/reset-password"' in log.read_text())

    assert "hunter2" not in log.read_text()


def test_the_health_check_of_its_container_passes(site):
    url = f"http://127.0.0.1:{site.health}/"

    assert subprocess.run(["wget", "-q", "-O", "/dev/null", url], check=False).returncode == 0
