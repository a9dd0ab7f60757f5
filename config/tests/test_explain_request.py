"""`manage.py explain_request`: what one request has left, by the id that its client was told."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.test.utils import isolate_apps
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.audit.models import AuditEvent

pytestmark = pytest.mark.django_db
ID = "018f0000-0000-7000-8000-00000000cafe"


with isolate_apps("core.audit"):

    class Approval(models.Model):
        request = models.ForeignKey("self", models.CASCADE, null=True)

        class Meta:
            app_label = "core_audit"

        def __str__(self):
            return "an approval"

    class Trace(models.Model):
        request_id = models.TextField()

        class Meta:
            app_label = "core_audit"

        def __str__(self):
            return "a trace"


@pytest.fixture
def answered(anonymous):
    """Request a password reset, as its client would report it."""
    user = UserFactory(email="ann@example.com")
    response = anonymous.post("/api/v1/auth/forgot-password", {"email": user.email}, HTTP_X_REQUEST_ID=ID)
    assert response.status_code == 202
    return response["X-Request-Id"]


def test_its_events_and_messages_are_printed_without_addresses_and_links(answered, capsys):
    call_command("explain_request", answered)
    printed = capsys.readouterr().out

    assert "audit event" in printed
    assert "outbox message  accounts.password_reset (pending)" in printed
    assert "ann@example.com" not in printed


def test_the_rows_are_printed_as_json_in_order(answered, capsys):
    call_command("explain_request", answered, json=True)
    rows = json.loads(capsys.readouterr().out)

    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    assert {"at", "model", "id", "summary"} <= rows[0].keys()


def test_the_order_is_that_of_time(capsys):
    now = timezone.now()
    for number, minutes in enumerate([2, 3, 1]):
        event = AuditEvent(id=UUID(int=number + 1), event=f"after {minutes}", request_id=ID)
        event.created_at = now + timedelta(minutes=minutes)
        AuditEvent.objects.bulk_create([event])
    call_command("explain_request", ID)
    printed = capsys.readouterr().out

    assert [line.split("after ")[1][:1] for line in printed.splitlines() if "after " in line] == [
        "1",
        "2",
        "3",
    ]


@pytest.fixture(scope="module")
def _tables(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        with connection.schema_editor() as editor:
            for model in (Approval, Trace):
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in (Approval, Trace):
                editor.delete_model(model)


@pytest.fixture
def models_of_an_app(monkeypatch, _tables, db):
    """Register a model with a relation `request`, and one with a `request_id` and no `created_at`."""
    for model in (Approval, Trace):
        monkeypatch.setitem(apps.all_models["core_audit"], model._meta.model_name, model)
    apps.clear_cache()
    yield
    monkeypatch.undo()
    apps.clear_cache()


@pytest.mark.usefixtures("models_of_an_app")
def test_models_of_an_app_are_read_as_far_as_they_have_a_text_column(answered, capsys):
    for _ in range(2):
        Trace.objects.create(request_id=answered)
    call_command("explain_request", answered)
    printed = capsys.readouterr().out

    assert printed.index("audit event") < printed.index("at an unknown time  trace")
    assert printed.count("at an unknown time  trace") == 2


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("explain_request", ["\udcff"]),
        ("why", ["\udcff@x.co", "GET", "/api/v1/users"]),
        ("why", ["\udcff", "GET", "/api/v1/users"]),
        ("why", ["anonymous", "GET", "/api/v1/\udcff"]),
    ],
)
def test_bytes_that_are_no_text_are_refused(command, arguments):
    with pytest.raises(CommandError, match="not valid UTF-8"):
        call_command(command, *arguments)


def test_an_unknown_id_is_refused_with_what_it_may_mean():
    with pytest.raises(CommandError, match="no row has this request id"):
        call_command("explain_request", ID)
