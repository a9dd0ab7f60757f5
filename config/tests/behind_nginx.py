"""The product behind nginx, set up by the text of docs/deployment.md: `make test-proxy`.

Not a part of `make test`, because nginx cannot be installed from requirements/*.txt. Where it is missing, all of
this fails and names the command that installs it.
"""

import http.client
import http.cookies
import json
import os
import re
import secrets
import shutil
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from urllib.parse import urlencode

import pytest
from django.conf import settings

from config.tests.processes import Product
from core.tests.ports import free_port
from core.tests.waiting import wait_until

HOST = "api.example.com"
CLIENT = "203.0.113.9"
PASSWORD = "Corr3ct-horse-battery"
SECONDS = 30
# Stands for machines of their own: nginx takes the address of a client from a header, for this run only.
MAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    {temporary}
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Test-Client;
    include {folder}/app.conf;
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def documented():
    text = (settings.BASE_DIR / "docs" / "deployment.md").read_text()
    [block] = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    return block


def replaced(text, values):
    """Replace each of these values, which must be in the text once."""
    for before, after in values.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@contextmanager
def nginx(folder, upstream):
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert program, "nginx is missing: apt-get install nginx-light"
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        f"/CN={HOST}",
    )
    names = ("-addext", f"subjectAltName=DNS:{HOST}", "-keyout", key, "-out", certificate)
    subprocess.run(["openssl", *made, *names], check=True, capture_output=True)
    plain, tls = free_port(), free_port()
    here = {
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ": f"listen 127.0.0.1:{tls} ",
        "/etc/ssl/certs/api.example.com.pem": str(certificate),
        "/etc/ssl/private/api.example.com.key": str(key),
        "/var/log/nginx/app.log": str(folder / "access.log"),
    }
    (folder / "app.conf").write_text(replaced(documented(), here))
    temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
    user = "user root;" if os.geteuid() == 0 else ""  # for the folders of the test
    main = folder / "nginx.conf"
    main.write_text(MAIN.format(folder=folder, user=user, temporary=temporary))
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen([program, "-p", folder, "-c", main], stderr=errors)
    try:
        wait_until(
            lambda: socket.create_connection(("127.0.0.1", tls), timeout=1),
            SECONDS,
            processes=[process],
            explain=(folder / "stderr").read_text,
        ).close()
        yield plain, tls, certificate
    finally:
        process.terminate()
        process.wait(SECONDS)


class Site:
    """A client of nginx. Header names are written with underscores."""

    def __init__(self, folder, plain, tls, certificate):
        self.folder, self.plain, self.tls = folder, plain, tls
        self.context = ssl.create_default_context(cafile=certificate)

    @contextmanager
    def connection(self, *, secure=True):
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.tls if secure else self.plain, timeout=SECONDS
        )
        connection.connect()
        if secure:
            connection.sock = self.context.wrap_socket(connection.sock, server_hostname=HOST)
        try:
            yield connection
        finally:
            connection.close()

    def send(self, method, path, body=None, *, secure=True, host=HOST, **headers):
        """Send a request; return (status, headers, body)."""
        given = {"Host": host, "X-Test-Client": CLIENT}
        if isinstance(body, dict):
            body, given["Content-Type"] = json.dumps(body), "application/json"
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        with self.connection(secure=secure) as connection:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return response.status, response.headers, response.read()


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    folder = tmp_path_factory.mktemp("product")
    given = {"TRUSTED_PROXIES": "1", "SECURE_SSL_REDIRECT": "true", "ALLOWED_HOSTS": f"127.0.0.1,{HOST}"}
    with Product(folder, MEDIA_ROOT=str(folder / "media"), **given) as running:
        created = ("createsuperuser", "--noinput", "--email", "root@example.com", "--name", "Root")
        running.manage(*created, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        yield running


@pytest.fixture(scope="module")
def site(product, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder, product.port) as (plain, tls, certificate):
        yield Site(folder, plain, tls, certificate)


@pytest.fixture(scope="module")
def token(site):
    person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    spoofed = {"X_Forwarded_For": "198.51.100.1"}
    status, _headers, body = site.send("POST", "/api/v1/auth/register", person, **spoofed)
    assert status == 201, body
    return json.loads(body)["data"]["tokens"]["accessToken"]


def test_the_address_of_the_client_cannot_be_forged(site, token):
    _status, _headers, body = site.send("GET", "/api/v1/auth/sessions", Authorization=f"Bearer {token}")

    assert [session["ipAddress"] for session in json.loads(body)["data"]] == [CLIENT]


def upload(size):
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="big.txt"\r\n\r\n'
    body = head.encode() + b"x" * size + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize(("more", "status"), [(0, 201), (1, 413), (2 * 1024 * 1024, 413)])
def test_a_file_of_10_mib_arrives_and_no_larger_one(site, token, more, status):
    headers = {"Authorization": f"Bearer {token}"}
    _status, created, _body = site.send("POST", "/api/v1/resources", {"title": "With a file"}, **headers)
    body, form = upload(10 * 1024 * 1024 + more)
    response = site.send("POST", f"{created['Location']}/attachments", body, Content_Type=form, **headers)

    assert response[0] == status, response[2]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:8000@evil.example", ""])
def test_another_host_is_refused(site, host):
    assert site.send("GET", "/", host=host)[0] == 400


def test_a_request_without_a_host_is_refused(site):
    with site.connection() as connection:
        connection.sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.sock.recv(1000).split()[1] == b"400"


def test_over_plain_http_pages_are_redirected_and_the_api_refuses(site):
    status, headers, _body = site.send("GET", "/admin/login/?next=/admin/", secure=False)
    assert (status, headers["Location"]) == (301, f"https://{HOST}/admin/login/?next=/admin/")

    assert site.send("GET", "/api/v1/resources", secure=False, X_Forwarded_Proto="https")[0] == 403
    assert site.send("GET", "/health", secure=False)[0] == 200


def test_over_tls_nothing_is_redirected_and_browsers_stay_with_it(site):
    status, headers, _body = site.send("GET", "/")

    assert status == 200
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")


@pytest.mark.parametrize("with_port", [False, True])
def test_staff_log_in_to_the_admin(site, with_port):
    host = f"{HOST}:{site.tls}" if with_port else HOST
    _status, headers, _body = site.send("GET", "/admin/login/", host=host)
    cookie = http.cookies.SimpleCookie(headers["Set-Cookie"])["__Host-admin-csrftoken"]
    fields = {"username": "root@example.com", "password": PASSWORD, "csrfmiddlewaretoken": cookie.value}
    form = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": f"{cookie.key}={cookie.value}"}
    origin = f"https://{host}"

    def log_in(origin):
        path = "/admin/login/?next=/admin/"
        return site.send(
            "POST", path, urlencode(fields), host=host, Origin=origin, Referer=f"{origin}/", **form
        )

    assert log_in("https://evil.example")[0] == 403
    status, headers, _body = log_in(origin)
    assert (status, headers["Location"]) == (302, "/admin/")
    assert "Secure" in headers["Set-Cookie"]


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/metrics/",
        "/metrics%2f",
        "/%6detrics",
        "//metrics",
        "/./metrics",
        "/metrics%00",
        "/metrics?x=/",
    ],
)
def test_the_metrics_are_not_passed_on(site, path):
    status, _headers, body = site.send("GET", path)

    assert status in {400, 404}
    assert b"nginx" in body  # it never came to the product


def test_connections_that_pause_lose_no_request(site):
    """Longer than nginx keeps its connections to the server, and in reach of the server's own limit."""
    for pause in (0, 4.9, 5.1, 9.9, 10.1):
        time.sleep(pause)  # the time is what is tried
        assert site.send("POST", "/api/v1/auth/login", {"email": "a@example.com", "password": "x"})[0] == 401


def test_no_query_string_is_logged(site):
    site.send("GET", "/account/reset-password?token=hunter2")
    log = site.folder / "access.log"
    # nginx writes the line after the response.
    wait_until(lambda: '"GET /account/reset-password" 200' in log.read_text())
    written = log.read_text()

    assert f"{CLIENT} [" in written
    assert "hunter2" not in written
