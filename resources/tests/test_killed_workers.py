"""`kill -9` in the middle of a job, in the product as its operators run it: another worker finishes it."""

import csv
import io
import json
import os
import signal
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from config.tests.processes import Product, call
from core.tests.waiting import wait_until

ROWS = 3_000
PASSWORD = "Corr3ct-horse-battery"
BOUNDARY = "a-line-that-is-nowhere-else"
SLOT_TIMEOUT = 180


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    limits = {"THROTTLE_USER": "100000/min", "THROTTLE_AUTH": "100000/min"}
    # Granian gives up when a process is killed again within 5.5 s, so its job must be claimed again later than that.
    with Product(folder, JOB_LEASE_SECONDS="6", MEDIA_ROOT=str(folder / "media"), **limits) as running:
        yield running


@pytest.fixture(scope="module")
def token(product):
    person = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann"}
    return product.api("POST", "/auth/register", person).json()["data"]["tokens"]["accessToken"]


def post_file(product, token, content):
    """Start an import; return its job."""
    lines = (
        f"--{BOUNDARY}",
        'Content-Disposition: form-data; name="file"; filename="rows.csv"',
        "Content-Type: text/csv",
        "",
        content,
        f"--{BOUNDARY}--",
        "",
    )
    request = urllib.request.Request(
        f"{product.url}/api/v1/resources/import",
        data="\r\n".join(lines).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        assert response.status == 202
        return json.load(response)["data"]["id"]


def look(product, token, job):
    """Return the job, as soon as the server responds: it may have been killed itself."""
    return until(product, token, job, lambda job: True)


def until(product, token, job, reached):
    def seen():
        current = product.api("GET", f"/jobs/{job}", token=token).json()["data"]
        return current if reached(current) else None

    return wait_until(seen, SLOT_TIMEOUT, explain=lambda: product.log_path.read_text()[-5000:])


def is_over(job):
    return job["finishedAt"] is not None


def kill_the_worker(product):
    """Return the processes that run jobs: the children of the worker, or without a broker those of the server."""
    parent = product.processes[1 if settings.CELERY_BROKER_URL else 0].pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    working = [
        pid for pid in children if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert working
    for pid in working:
        os.kill(int(pid), signal.SIGKILL)


@pytest.fixture(scope="module")
def imported(product, token):
    """Run an import whose worker is killed twice; return the job."""
    rows = "title,content,tags\r\n" + "".join(f"Row {n},{'lorem ' * 50},red\r\n" for n in range(ROWS))
    job = post_file(product, token, rows)
    for percent in (10, 50):
        seen = until(product, token, job, lambda job, percent=percent: job["progress"] >= percent)
        assert not is_over(seen)
        kill_the_worker(product)
    return until(product, token, job, is_over)


def test_an_import_continues_and_stores_no_row_twice(product, token, imported):
    result = imported["result"]

    assert (imported["status"], result["created"], result["failed"]) == ("succeeded", ROWS, 0)
    listed = product.api("GET", "/resources?limit=1", token=token).json()
    assert listed["meta"]["total"] == ROWS


def test_an_export_starts_over_and_is_complete(product, token, imported):
    assert imported["status"] == "succeeded"
    for _ in range(5):  # until one was killed while it ran
        job = product.api("POST", "/resources/export", {"format": "csv"}, token).json()["data"]["id"]
        until(product, token, job, lambda job: job["status"] == "running")
        kill_the_worker(product)
        if not is_over(look(product, token, job)):
            break
    else:
        pytest.fail("each was faster than the kill")
    done = until(product, token, job, is_over)

    assert (done["status"], done["result"]["rows"]) == ("succeeded", ROWS)
    address = urlsplit(done["result"]["url"])
    fetched = call(f"{product.url}{address.path}?{address.query}")
    assert fetched.status == 200
    rows = list(csv.reader(io.StringIO(fetched.body.decode(), newline="")))
    assert len({row[0] for row in rows[1:]}) == len(rows) - 1 == ROWS
