"""The blocks of docs/api.md that verify a delivery."""

import json
import re
import shutil
import subprocess

import pytest
from django.conf import settings
from django.utils import timezone

from core.tests.factories import WebhookFactory
from core.webhooks.signing import signed_headers

SECTION = (
    (settings.BASE_DIR / "docs" / "api.md").read_text().partition("\n## Webhooks\n")[2].partition("\n## ")[0]
)
BLOCKS = dict(re.findall(r"```(python|js)\n(.*?)```", SECTION, re.DOTALL))
BODY = '{"type":"webhook.test","data":{"title":"Montréal"}}'.encode()


@pytest.fixture
def webhook(db):
    return WebhookFactory()


@pytest.fixture
def headers(webhook):
    given = signed_headers(webhook, "0198c5a4", BODY, timezone.now())
    return {name.lower(): value for name, value in given.items()}


def test_the_python_block_accepts_what_is_signed_alone(webhook, headers):
    names = {}
    exec(BLOCKS["python"], names)

    assert names["receive"](BODY, headers, webhook.shown_secret) == (204, json.loads(BODY))
    assert names["receive"](BODY + b" ", headers, webhook.shown_secret) == (400, {})


@pytest.mark.once
@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_the_javascript_block_accepts_what_is_signed_alone(webhook, headers, tmp_path):
    call = """
        const [body, headers, secret] = JSON.parse(process.argv[2]);
        try { console.log(JSON.stringify(verify(body, headers, secret))); } catch { console.log("refused"); }
    """
    program = tmp_path / "receiver.mjs"
    program.write_text(BLOCKS["js"] + call)

    def output(body, given):
        argument = json.dumps([body, given, webhook.shown_secret])
        return subprocess.check_output(["node", str(program), argument], text=True, timeout=60).strip()

    assert json.loads(output(BODY.decode(), headers)) == json.loads(BODY)
    assert output(BODY.decode() + " ", headers) == "refused"
    assert output(BODY.decode(), {**headers, "webhook-timestamp": "1"}) == "refused"
    assert output(BODY.decode(), {**headers, "webhook-signature": "v1,"}) == "refused"
