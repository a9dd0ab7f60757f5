"""The log of the product as its operators run it: web server, and worker and beat where there is a broker."""

import http.cookiejar
import json
import urllib.parse
import urllib.request

import pytest

from config.tests.processes import SmallProduct
from core.tests.waiting import wait_until

pytestmark = pytest.mark.once

PASSWORD = "Corr3ct-horse-battery"
PLAN = ["timestamp", "level", "message", "requestId", "userId"]


class Visitor:
    """A client that chooses its request ids."""

    def __init__(self, product):
        self.product = product

    def post(self, path, request_id, body=None, token=""):
        response = self.product.api("POST", path, body, token, X_Request_ID=request_id)
        return response.body and response.json().get("data")

    def log_in_to_the_admin(self):
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        url = f"{self.product.url}/admin/login/"
        browser.open(url, timeout=30).close()
        token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
        fields = {"username": "root@example.com", "password": PASSWORD, "csrfmiddlewaretoken": token}
        data = urllib.parse.urlencode({**fields, "next": "/admin/core_jobs/job/"}).encode()
        headers = {"Referer": url, "X-Request-ID": "admin-login"}
        browser.open(urllib.request.Request(url, data, headers), timeout=30).close()
        self.cookies = [cookie.value for cookie in jar]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the log lines of typical use, after every process has stopped; and the secrets that were used."""
    with SmallProduct(tmp_path_factory.mktemp("logs")) as product:
        visitor = Visitor(product)
        created = ("createsuperuser", "--noinput", "--email", "root@example.com", "--name", "Root")
        product.manage(*created, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
        visitor.post(
            "/auth/register", "refused", {"email": "refused@example.com", "password": PASSWORD, "name": "Rea"}
        )
        person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
        user = visitor.post("/auth/register", "registration", person)["user"]
        proof = product.sink.next_email()
        other = {"email": "bea@example.com", "password": PASSWORD, "name": "Bea"}
        other_user = visitor.post("/users", "registration-alone", other)["id"]
        product.sink.next_email()
        pair = visitor.post("/auth/login", "log-in", person)["tokens"]
        job = visitor.post("/resources/export", "export", {"format": "csv"}, pair["accessToken"])["id"]

        def finished():
            current = product.api("GET", f"/jobs/{job}", token=pair["accessToken"]).json()["data"]
            return current if current["finishedAt"] else None

        link = wait_until(finished)["result"]["url"]
        urllib.request.urlopen(product.url + link if link.startswith("/") else link, timeout=30).close()
        for _ in range(5):
            visitor.post("/auth/login", "lock-out", person | {"password": "wrong-Passw0rd"})
        visitor.log_in_to_the_admin()
        emailed = proof.get_body(("plain",)).get_content().split("token=")[1].split()[0]
        visitor.post("/auth/verify-email", "verification", {"token": emailed})
        visitor.post("/auth/refresh", "refresh", {"refreshToken": pair["refreshToken"]})
        product.api("POST", "/auth/forgot-password", {"email": "ann@example.com"})
        reset = product.sink.next_email().get_body(("plain",)).get_content().split("token=")[1].split()[0]
        visitor.post("/auth/reset-password", "reset", {"token": reset, "password": f"{PASSWORD}-2"})
        secrets = [
            PASSWORD,
            pair["accessToken"],
            pair["refreshToken"],
            link.split("token=")[1],
            emailed,
            *visitor.cookies,
        ]
        sink = {"message_id": proof["Message-ID"]}
    text = product.log_path.read_text()
    return {
        "text": text,
        "user": user["id"],
        "other_user": other_user,
        "job": job,
        "secrets": secrets,
        **sink,
    }


@pytest.fixture(scope="module")
def lines(run):
    text = [line for line in run["text"].splitlines() if line.strip()]
    # The native part of the server may panic while it stops on a loaded machine; no formatter sees that.
    others = [line for line in text if not line.startswith("{")]
    assert not others or any("panicked" in line for line in others), others
    return [json.loads(line) for line in text if line.startswith("{")]


def one(lines, message, request_id):
    [line] = [line for line in lines if (line["message"], line["requestId"]) == (message, request_id)]
    return line


def test_every_line_of_every_process_has_the_fields_of_the_plan(lines):
    assert [line for line in lines if list(line)[:5] != PLAN] == []


def test_lines_of_the_server_have_the_same_format(lines):
    assert {"_granian"} <= {line.get("logger") for line in lines}


def test_no_line_holds_a_secret_or_an_address(run):
    assert [secret for secret in run["secrets"] if str(secret) in run["text"]] == []
    assert "ann@example.com" not in run["text"]


def test_a_refused_email_is_logged_with_its_code_and_without_the_address(run, lines):
    line = one(lines, "outbox_attempt_failed", "refused")

    assert (line["error"], line["smtpCode"], line["final"]) == ("PermanentError", 550, True)
    assert any("core/outbox/mail.py" in where for where in line["at"])
    assert "refused@" not in run["text"]


@pytest.mark.parametrize(("message", "request_id"), [("registered", "registration"), ("logged_in", "log-in")])
def test_a_login_is_logged_with_its_user(run, lines, message, request_id):
    happened, request = one(lines, message, request_id), one(lines, "request", request_id)

    assert (happened["level"], happened["userId"]) == ("info", run["user"])
    assert request["userId"] == run["user"]


def test_a_registration_is_logged_with_its_user(run, lines):
    happened, request = (one(lines, message, "registration-alone") for message in ("registered", "request"))

    assert happened["userId"] == request["userId"] == run["other_user"]


@pytest.mark.parametrize("request_id", ["verification", "refresh", "reset"])
def test_a_request_with_a_one_time_token_is_logged_with_its_user(run, lines, request_id):
    assert one(lines, "request", request_id)["userId"] == run["user"]


def test_a_lockout_is_logged_once(run, lines):
    line = one(lines, "account_locked", "lock-out")

    assert (line["level"], line["userId"]) == ("info", run["user"])


def test_the_user_of_an_admin_session_is_named(lines):
    root = one(lines, "logged_in", "admin-login")["userId"]
    [visit] = [line for line in lines if line.get("path") == "/admin/core_jobs/job/"]

    assert root
    assert visit["userId"] == root


def test_an_email_is_logged_with_its_template_and_its_request(run, lines):
    line = one(lines, "mail_sent", "registration")

    assert (line["template"], line["messageId"]) == ("email_proof", run["message_id"])
    assert line["userId"] == run["user"]


def test_a_finished_job_is_logged_with_its_request(run, lines):
    line = one(lines, "job_ended", "export")

    assert (line["jobId"], line["userId"], line["status"]) == (run["job"], run["user"], "succeeded")
    assert line["duration"] > 0
