"""Thirty days after its deletion no data of an account is left in the database, and every event of the log is."""

import datetime

import pytest
import time_machine
from django.apps import apps
from django.core import serializers
from django.db import connection
from django.utils import timezone

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from core.audit import triggers as append_only
from core.audit.models import AuditEvent
from core.db import triggers
from core.db.retention import purge
from core.outbox import services as outbox

pytestmark = pytest.mark.django_db
NAME, EMAIL, PENDING, AGENT = "Xenia Quillfeather", "xenia@quill.example", "q@feather.example", "XeniaPhone/9"


def dump():
    """Return the whole database as text."""
    return "".join(serializers.serialize("json", model.objects.all()) for model in apps.get_models())


@pytest.fixture
def lived(log_in, admin, deliver):
    """Create a person with activity that leaves traces, and delete the account."""
    user = UserFactory(name=NAME, email=EMAIL)
    person = log_in(user)
    person.defaults["HTTP_USER_AGENT"] = AGENT
    person.post("/api/v1/auth/login", {"email": EMAIL, "password": "wrong-Passw0rd"})
    person.post("/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
    person.post("/api/v1/resources", {"title": "Quillfeather's diary", "tags": ["quill-tag"]})
    person.patch("/api/v1/users/me", {"email": PENDING, "currentPassword": PASSWORD})
    admin.patch(f"/api/v1/users/{user.pk}", {"name": NAME + " II"})
    person.post("/api/v1/auth/forgot-password", {"email": EMAIL})
    deliver()
    assert person.delete("/api/v1/users/me", {"currentPassword": PASSWORD}).status_code == 204
    return user


def test_nothing_is_erased_within_thirty_days(lived):
    with time_machine.travel(timezone.now() + datetime.timedelta(days=29), tick=False):
        assert purge("deleted accounts") == 0

    assert User.objects.filter(pk=lived.pk).exists()


def test_no_trace_is_left(lived):
    triggers.install(connection, append_only.append_only_triggers)
    assert "Quillfeather" in dump()
    with time_machine.travel(timezone.now() + datetime.timedelta(days=31), tick=False):
        assert purge("deleted accounts") == 1

    left = dump()
    for trace in (NAME, "Quillfeather", EMAIL, PENDING, AGENT, "quill", str(lived.pk)):
        assert trace not in left


def test_every_event_is_stored_under_one_pseudonym(lived):
    before = AuditEvent.objects.about(lived.pk).count()
    with time_machine.travel(timezone.now() + datetime.timedelta(days=31), tick=False):
        purge("deleted accounts")

    redacted = AuditEvent.objects.exclude(redacted_at=None)
    assert redacted.count() == before + 1  # and one about the redaction itself
    assert len(set(redacted.values_list("subject_id", flat=True))) == 1


def test_events_of_other_users_are_unchanged(lived, admin):
    with time_machine.travel(timezone.now() + datetime.timedelta(days=31), tick=False):
        purge("deleted accounts")

    assert User.objects.get() == admin.user
    assert outbox.drain() == 0
