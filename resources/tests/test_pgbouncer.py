"""The product behind PgBouncer in transaction mode, set up by the text of docs/deployment.md."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from config.tests.processes import Product, call
from core.tests.ports import free_port
from core.tests.waiting import wait_until

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
SERVER = urlsplit(os.environ.get("TEST_DATABASE_URL", ""))
PASSWORD = "Corr3ct-horse-battery"
SECONDS = 30
pytestmark = [
    pytest.mark.skipif(not SERVER.scheme.startswith("postgres"), reason="of PostgreSQL"),
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is missing: apt-get install pgbouncer"),
]


@contextmanager
def pgbouncer(folder, database, port):
    """Run a private PgBouncer on loopback, with two connections to the server, so that clients must share them."""
    [documented] = re.findall(
        r"```ini\n(.*?)```", (settings.BASE_DIR / "docs" / "deployment.md").read_text(), re.S
    )
    target = f"host={SERVER.hostname} port={SERVER.port or 5432} dbname={database} user={SERVER.username}"
    if SERVER.password:
        target += f" password={SERVER.password}"
    text = documented.replace("app = host=db dbname=app", f"{database} = {target}")
    assert target in text
    text = text.replace("default_pool_size = 20", "default_pool_size = 4")
    text += f"""
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = any
unix_socket_dir =
"""
    path = folder / "pgbouncer.ini"
    path.write_text(text)
    path.chmod(0o644)
    identity = {}
    if os.geteuid() == 0:  # it refuses to run as root
        user = pwd.getpwnam("nobody")
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        os.chown(path, user.pw_uid, user.pw_gid)
    # In a folder that this user may read: those of pytest are closed to others.
    with path.open("rb") as configuration, (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAM, f"/dev/fd/{configuration.fileno()}"],
            pass_fds=[configuration.fileno()],
            stdout=log,
            stderr=log,
            cwd="/",
            **identity,
        )
    try:
        with wait_until(
            lambda: socket.create_connection(("127.0.0.1", port), 1),
            SECONDS,
            processes=[process],
            explain=(folder / "pgbouncer.log").read_text,
        ):
            pass
        yield
    finally:
        process.terminate()
        process.wait(SECONDS)


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("pooled"), free_port()
    product = Product(folder, THROTTLE_USER="100000/min", MEDIA_ROOT=str(folder / "media"))
    direct = product.environment["DATABASE_URL"]
    product.migration_environment = {"DATABASE_URL": direct, "DATABASE_PREPARED_STATEMENTS": "true"}
    product.environment["DATABASE_URL"] = urlsplit(direct)._replace(netloc=f"app@127.0.0.1:{port}").geturl()
    product.environment["DATABASE_PREPARED_STATEMENTS"] = "false"
    with pgbouncer(folder, product.database, port), product:
        yield product


@pytest.fixture(scope="module")
def token(product):
    person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    assert product.api("POST", "/auth/register", person).status == 201
    log_in = {"email": "ann@example.com", "password": PASSWORD}
    return product.api("POST", "/auth/login", log_in).json()["data"]["tokens"]["accessToken"]


def test_an_email_is_delivered(product, token):
    assert product.sink.next_email()["To"] == "ann@example.com"


def test_resources_are_created_changed_listed_and_deleted(product, token):
    for number in range(30):
        made = product.api("POST", "/resources", {"title": f"Note {number}", "tags": ["red"]}, token)
        path, tag = f"/resources/{made.json()['data']['id']}", made.headers["ETag"]
        assert product.api("PATCH", path, {"title": "New"}, token, If_Match=tag).status == 200
        assert product.api("GET", path, token=token).json()["data"]["title"] == "New"
        assert product.api("GET", "/resources?search=new", token=token).json()["meta"]["total"] == 1
        assert product.api("DELETE", path, token=token).status == 204


def test_many_are_created_at_once_and_exported(product, token):
    operations = [{"method": "create", "data": {"title": f"Row {number}"}} for number in range(50)]
    bulk = product.api("POST", "/resources/bulk", {"operations": operations}, token)
    assert bulk.status in {200, 207}, bulk.body
    job = product.api("POST", "/resources/export", {"format": "json"}, token).json()["data"]["id"]

    def finished():
        data = product.api("GET", f"/jobs/{job}", token=token).json()["data"]
        return data if data["finishedAt"] else None

    seen = wait_until(finished, SECONDS, explain=lambda: product.log_path.read_text()[-3000:])
    address = urlsplit(seen["result"]["url"])

    assert (seen["status"], seen["result"]["rows"]) == ("succeeded", 50)
    assert call(f"{product.url}{address.path}?{address.query}").status == 200


def test_migrate_is_refused(product):
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"],
        cwd=settings.BASE_DIR,
        env=product.environment,
        capture_output=True,
        text=True,
        timeout=SECONDS * 2,
        check=False,
    )

    assert done.returncode == 1
    assert "migrate needs a direct connection to PostgreSQL" in done.stderr


def test_no_statement_failed(product, token):
    log = product.log_path.read_text()

    assert not re.search(r"prepared statement|unsupported startup|DatabaseError|OperationalError", log)
