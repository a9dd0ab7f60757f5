"""The whole product with real processes and a real SMTP server, from registration to a new password."""

import html
import http.client
import http.cookiejar
import json
import re
import secrets
import signal
import socket
import threading
import urllib.parse
import urllib.request
from contextlib import closing, suppress

import pytest

from config.tests.processes import Product, SmallProduct, call
from config.tests.raw_http import SECONDS, deleted_files, descendants, exchange, head
from core.tests.waiting import wait_until

OLD, NEW = "Corr3ct-horse-battery", "An0ther-horse-battery"


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    folder = tmp_path_factory.mktemp("journey")
    with Product(folder, MEDIA_ROOT=str(folder / "media")) as running:
        yield running


def token_in(mail):
    text = mail.get_body(("plain",)).get_content()
    return re.search(r"token=([\w-]+)", text)[1]


def test_from_registration_to_a_new_password(product):
    person = {"email": "Ann@Example.com", "password": OLD, "name": "Ann"}
    registered = product.api("POST", "/auth/register", person)
    assert registered.status == 201

    proof = product.sink.next_email()
    assert proof["To"] == "ann@example.com"
    assert product.api("POST", "/auth/verify-email", {"token": token_in(proof)}).status == 204

    login = product.api("POST", "/auth/login", {"email": "ann@example.com", "password": OLD})
    data = login.json()["data"]
    access = data["tokens"]["accessToken"]
    assert data["user"]["emailVerified"] is True

    created = product.api("POST", "/resources", {"title": "Ada Lovelace", "tags": ["people"]}, access)
    assert created.status == 201
    page = product.api("GET", "/resources?search=lovel", token=access).json()
    assert [row["title"] for row in page["data"]] == ["Ada Lovelace"]

    assert product.api("POST", "/auth/forgot-password", {"email": "ann@example.com"}).status == 202
    reset = {"token": token_in(product.sink.next_email()), "password": NEW}
    assert product.api("POST", "/auth/reset-password", reset).status == 204
    assert product.sink.next_email()["Subject"]  # the notice that the password has changed

    refused = product.api("GET", "/users/me", token=access)
    assert (refused.status, refused.json()["error"]["code"]) == (401, "TOKEN_REVOKED")
    assert product.api("POST", "/auth/reset-password", reset).status == 400
    assert product.api("POST", "/auth/login", {"email": person["email"], "password": OLD}).status == 401
    assert product.api("POST", "/auth/login", {"email": person["email"], "password": NEW}).status == 200


def test_staff_work_in_the_admin(product):
    product.manage(
        *("createsuperuser", "--noinput", "--email", "root@example.com", "--name", "Root"),
        DJANGO_SUPERUSER_PASSWORD=OLD,
    )
    person = {"email": "bob@example.com", "password": OLD, "name": "Bob"}
    access = product.api("POST", "/auth/register", person).json()["data"]["tokens"]["accessToken"]
    product.sink.next_email()

    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def visit(path, **fields):
        fields["csrfmiddlewaretoken"] = next((c.value for c in jar if c.name == "csrftoken"), "")
        data = urllib.parse.urlencode(fields).encode() if len(fields) > 1 else None
        request = urllib.request.Request(
            product.url + path, data=data, headers={"Referer": product.url + path}
        )
        with browser.open(request, timeout=30) as page:
            return page.read().decode()

    visit("/admin/login/")
    index = visit("/admin/login/?next=/admin/", username="root@example.com", password=OLD)
    assert "Blue Bikes" in index
    users = visit("/admin/accounts/user/?q=bob")
    bob = re.search(r"/admin/accounts/user/([0-9a-f-]{36})/change/", users)[1]

    confirmation = visit("/admin/accounts/user/", action="end_sessions", _selected_action=bob)
    form = confirmation[confirmation.index('id="bulk-form"') :]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form))
    visit("/admin/accounts/user/", **{name: html.unescape(value) for name, value in hidden.items()})

    refused = product.api("GET", "/users/me", token=access)
    assert refused.json()["error"]["code"] == "TOKEN_REVOKED"


def test_every_static_file_of_the_pages_is_served(product):
    for path in ("/", "/api/docs", "/api/redoc", "/admin/login/"):
        with urllib.request.urlopen(product.url + path, timeout=30) as page:
            text = page.read().decode()
        links = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
        assert links, path
        for link in links:
            with urllib.request.urlopen(product.url + link, timeout=30) as file:
                assert file.status == 200


def test_metrics_sum_over_the_processes(product):
    def counted():
        lines = call(f"{product.url}/metrics").body.decode().splitlines()
        name = 'http_requests_total{method="GET",route="home",status="200"}'
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    before = counted()
    for _ in range(20):  # over new connections, so that both processes get some
        call(f"{product.url}/")

    assert counted() == before + 20


def test_slow_clients_do_not_delay_other_requests(product):
    """Open more slow connections than a process has threads."""
    begun = []
    for _ in range(60):
        client = socket.create_connection(("127.0.0.1", product.port), timeout=30)
        client.sendall(
            b"POST /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 8\r\n\r\nhalf"
        )
        begun.append(client)

    for _ in range(20):
        assert call(f"{product.url}/health").status == 200
    for client in begun:
        client.sendall(b"half")
        with client, client.makefile("rb") as response:
            assert response.readline().split()[1] == b"405"


@pytest.mark.parametrize(("size", "status"), [(1_000, 401), (2_000_000, 413), (30_000_000, 413)])
def test_bodies_of_every_size_and_form_arrive(product, size, status):
    """Send bodies in one piece and in many, in memory and in a temporary file."""
    raw = json.dumps({"email": "nobody@example.com", "password": "x" * 20}).encode()
    raw = raw[:-1] + b" " * (size - len(raw)) + b"}"
    for body in (raw, iter([raw[start : start + 50_000] for start in range(0, size, 50_000)])):
        connection = http.client.HTTPConnection("127.0.0.1", product.port, timeout=30)
        with closing(connection), suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", "/api/v1/auth/login", body, {"Content-Type": "application/json"})
            assert connection.getresponse().status == status


def test_worker_and_beat_write_heartbeats(product):
    programs = (
        ("worker", "beat") if product.has_worker else ("beat",)
    )  # without a broker the web server is beat
    known = [f'heartbeat_age_seconds{{program="{program}"}}' for program in programs]
    wait_until(lambda: all(name in call(f"{product.url}/metrics").body.decode() for name in known))

    for program in programs:
        assert product.manage("heartbeat", program).startswith(program)


def test_a_stop_finishes_running_requests(tmp_path):
    with SmallProduct(tmp_path, BCRYPT_ROUNDS="13") as product:
        responses = []

        def register():
            person = {"email": "slow@example.com", "password": OLD, "name": "Slow"}
            responses.append(product.api("POST", "/auth/register", person))

        caller = threading.Thread(target=register)
        caller.start()
        # The metrics count a request at its end, so an uncounted request is still running.
        product.api("GET", "/nothing")
        server = product.processes[0]
        server.send_signal(signal.SIGTERM)
        caller.join(timeout=40)

        assert server.wait(timeout=40) == 0
        assert [response.status for response in responses] == [201]


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def attachments(product):
    """Return the path of the attachments of a new resource, and a token of its owner."""
    person = {"email": f"{secrets.token_hex(4)}@example.com", "password": OLD, "name": "Ann"}
    token = product.api("POST", "/auth/register", person).json()["data"]["tokens"]["accessToken"]
    product.sink.next_email()  # which no other test is to take for its own
    resource = product.api("POST", "/resources", {"title": "With files"}, token).json()["data"]["id"]
    return f"/resources/{resource}/attachments", token


def upload(attachments, content):
    """Return the head and the body of an upload."""
    path, token = attachments
    start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    body = start + content + b"\r\n--b--\r\n"
    lines = (f"Authorization: Bearer {token}", "Content-Type: multipart/form-data; boundary=b")
    length = f"Content-Length: {len(body)}"
    return head("POST", f"/api/v1{path}", *lines, length, "Connection: close"), body


def test_a_hundred_uploads_that_break_off_leave_nothing(product, attachments):
    path, token = attachments
    start, body = upload(attachments, b"x" * 800_000)
    media = product.log_path.parent / "media"
    before = {file for file in media.rglob("*") if file.is_file()}
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", product.port), timeout=SECONDS) as connection:
            connection.sendall(start + body[:400_000])

    server = product.processes[0].pid
    wait_until(lambda: not deleted_files([server, *descendants(server)]), SECONDS)
    assert product.api("GET", path, token=token).json()["data"] == []
    assert {file for file in media.rglob("*") if file.is_file()} == before


def test_a_download_in_parts(product, attachments):
    content = b"0123456789" * 50_000
    created = exchange(product.port, *upload(attachments, content))
    path = urllib.parse.urlsplit(json.loads(created.body)["data"]["url"])

    def get(method="GET", *lines):
        return exchange(product.port, head(method, f"{path.path}?{path.query}", "Connection: close", *lines))

    assert (get("HEAD").status, get("HEAD").body) == (200, b"")
    assert get("GET", "Range: bytes=10-14").body == b"01234"
    assert get("GET", "Range: bytes=500000-").status == 416
    assert get("GET", "Range: bytes=" + "0-," * 1000 + "0-").body == content
    assert get("GET", "Range: bytes=0-1", 'If-Range: "other"').body == content
