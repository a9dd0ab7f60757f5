"""The product has its name from PRODUCT_NAME alone; the tests run under another name than the default."""

from pathlib import Path

import pytest
from django.conf import settings

from accounts import tokens
from accounts.tests.checks import access_of
from config import product
from config.tests import inventory
from core.outbox import mail
from core.outbox import previews as preview
from core.tests.interpreter import django_python

pytestmark = pytest.mark.django_db

ROOT = Path(settings.BASE_DIR)
SHIPPED = "groundwork"
ADMIN = (
    "",
    "login/",
    "accounts/user/",
    "accounts/user/add/",
    "core_outbox/outboxmessage/",
    "password_change/",
    "none/",
)
SENDER = "from django.conf import settings; print(settings.DEFAULT_FROM_EMAIL)"


def has_the_name(text):
    assert SHIPPED not in text.lower()
    return settings.PRODUCT_NAME in text


def text_of(response):
    return b"".join(response).decode()


@pytest.mark.parametrize("path", [path for path in inventory.routes() if "{" not in path] + ["/none"])
def test_every_page_has_the_name(client, path):
    response = client.get(path, headers={"accept": "text/html,application/json"}, follow=True)

    assert has_the_name(text_of(response)) or not response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ADMIN)
def test_every_page_of_the_admin_has_the_name(admin, client, path):
    client.force_login(admin.user)

    assert has_the_name(text_of(client.get(f"/admin/{path}", headers={"accept": "text/html"}, follow=True)))


def test_every_mail_has_the_name(rf):
    for template in sorted({name for sample in mail.previews for name in sample()}):
        for form in ("html", "txt"):
            assert has_the_name(preview.email_preview(rf.get("/"), template, form).content.decode()), template


def test_the_schema_and_the_tokens_have_the_name(client, owner):
    claims = tokens.backends()[0].decode(access_of(owner))

    assert client.get("/api/v1/schema").json()["info"]["title"] == settings.PRODUCT_NAME
    assert (claims["iss"], claims["aud"]) == (settings.PRODUCT_NAME, f"{settings.PRODUCT_NAME} API")


def test_the_sender_has_the_name_by_default():
    run = django_python(SENDER, DEFAULT_FROM_EMAIL="", PRODUCT_NAME="Ann, Ben & Co")

    assert run.stdout == f'"Ann, Ben & Co" <{product.SENDER}>\n', run.stderr


def test_no_source_has_the_name_that_this_project_came_with():
    templates = {
        str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "templates").rglob("*.html")
    }
    texts = inventory.sources() | templates
    named = {path for path, text in texts.items() if SHIPPED in text.lower()}

    assert named <= {"config/product.py"}, "Use settings.PRODUCT_NAME or {{ product }} in its place."
