"""The developers' preview of every mail. Its routes exist only while DEBUG is on, so the views are called here."""

import pytest
from django.http import Http404

from config.local_apps import LOCAL_APPS
from core.outbox import mail
from core.outbox import previews as preview
from core.outbox.models import OutboxMessage
from core.tests.interpreter import django_python

pytestmark = pytest.mark.django_db


@pytest.fixture(params=sorted({name for sample in mail.previews for name in sample()}))
def template(request):
    return request.param


def test_every_mail_has_a_preview_in_both_forms(rf, template):
    html = preview.email_preview(rf.get("/"), template, "html")
    text = preview.email_preview(rf.get("/"), template, "txt")

    assert "<html" in html.content.decode()
    assert text.content.decode().startswith("Subject: ")
    assert text["Content-Type"] == "text/plain; charset=utf-8"


def test_every_template_of_a_mail_is_previewed(settings):
    folders = [settings.BASE_DIR, *(settings.BASE_DIR / name for name in LOCAL_APPS)]
    written = {path.stem for folder in folders for path in (folder / "templates" / "emails").glob("*.txt")}

    assert written == {name for sample in mail.previews for name in sample()}


def test_a_preview_promises_and_stores_nothing(rf, template):
    preview.email_preview(rf.get("/"), template, "html")

    assert not OutboxMessage.objects.exists()


def test_an_unknown_mail_is_not_found(rf):
    with pytest.raises(Http404):
        preview.email_preview(rf.get("/"), "nothing", "html")


def test_there_is_no_route_in_production():
    asked = django_python(
        'print(Client().get("/dev/mails").status_code)', DEBUG="false", SECURE_SSL_REDIRECT="false"
    )

    assert asked.stdout.strip() == "404", asked.stderr
