"""Summaries of the product as its operators run it, with the service as a process that is away at first."""

import subprocess
import sys

import pytest
from django.conf import settings

from config.tests.processes import SmallProduct
from core.tests.ports import free_port
from core.tests.text_service import KEY
from core.tests.waiting import wait_until

pytestmark = pytest.mark.once

PERSON = {"email": "ann@example.com", "password": "Corr3ct-horse-battery", "name": "Ann"}


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def product(tmp_path_factory, port):
    service = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "OPENAI_MODEL": "small",
    }
    with SmallProduct(tmp_path_factory.mktemp("summary"), **service) as running:
        yield running


def test_a_worker_tries_again_until_the_service_is_there(product, port):
    token = product.api("POST", "/auth/register", PERSON).json()["data"]["tokens"]["accessToken"]
    created = product.api("POST", "/resources", {"title": "Bridges", "content": "They span rivers."}, token)
    path = f"/resources/{created.json()['data']['id']}/summary"
    job = product.api("POST", path, token=token, X_Request_ID="summary-1").json()["data"]

    def has(text):
        return text in product.log_path.read_text()

    def finished():
        seen = product.api("GET", f"/jobs/{job['id']}", token=token).json()["data"]
        return seen if seen["finishedAt"] else None

    wait_until(lambda: has('"job_attempt_failed"'), 90, explain=product.log_path.read_text)
    process = subprocess.Popen(
        [sys.executable, "-m", "core.tests.text_service", str(port)], cwd=settings.BASE_DIR
    )
    try:
        current = wait_until(
            lambda: (
                (seen := product.api("GET", f"/jobs/{job['id']}", token=token).json()["data"])["finishedAt"]
                and seen
            ),
            90,
            explain=product.log_path.read_text,
        )
    finally:
        process.terminate()
        process.wait(20)

    assert current["status"] == "succeeded", current
    assert current["result"] == {"summary": "About Bridges, in 26 characters.", "model": "small"}
    lines = [line for line in product.log_path.read_text().splitlines() if '"outgoing_request"' in line]
    assert all('"requestId":"summary-1"' in line and KEY not in line for line in lines)
    assert len(lines) == 2
