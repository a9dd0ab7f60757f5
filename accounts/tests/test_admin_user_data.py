"""The data of an account on its page in the admin: the export, the restoration and the erasure."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import OneTimeToken, Session, User
from accounts.services.erasure import erase
from accounts.tests.checks import event, log_in_with
from accounts.tests.factories import OneTimeTokenFactory, SessionFactory, UserFactory
from core.audit.models import AuditEvent
from core.outbox.models import OutboxMessage
from core.tests.office import address_of, allow, browser_of, do, messages_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def test_the_export_is_a_file_with_the_data_of_the_person(browser, owner):
    response = browser.post(address_of(owner.user, "export"))
    data = json.loads(response.content)

    assert response["Content-Disposition"] == f'attachment; filename="personal-data-{owner.user.pk}.json"'
    assert "no-store" in response["Cache-Control"]
    assert data["account"]["email"] == owner.user.email
    assert [session["id"] for session in data["sessions"]] == [str(owner.session_id)]
    assert (event("user.exported").actor_id, event("user.exported").subject_id) == (
        browser.user.pk,
        owner.user.pk,
    )


def test_staff_with_the_permission_export_users_only(staff):
    browser = browser_of(allow(staff.user, "accounts.view_user", "accounts.export_user"))

    assert browser.post(address_of(UserFactory(), "export")).status_code == 200
    assert browser.post(address_of(UserFactory(role="staff"), "export")).status_code == 403


def test_a_deleted_account_is_restored(browser, gone):
    token = OneTimeTokenFactory(
        user=gone,
        purpose=OneTimeToken.Purpose.UNDELETE,
        expires_at=timezone.now() + timedelta(days=1),
    )
    do(browser, "restore", gone)

    assert log_in_with(gone.email).status_code == 200
    assert not OneTimeToken.objects.filter(pk=token.pk).exists()
    assert event("user.undeleted").actor_id == browser.user.pk


def test_an_account_whose_address_is_taken_is_not_restored(browser, gone):
    UserFactory(email=gone.email)

    assert messages_of(do(browser, "restore", gone)) == ["An account with this email exists."]
    assert User.objects.get(pk=gone.pk).deleted_at


def test_a_deleted_account_is_erased_by_a_worker(browser, gone, deliver):
    response = do(browser, "erase", gone)
    assert messages_of(response) == [f"{gone}: A worker erases it now."]
    assert User.objects.filter(pk=gone.pk).exists()
    deliver()

    assert not User.objects.filter(pk=gone.pk).exists()
    assert {event("user.erasure_requested").actor_id, event("user.erased").actor_id} == {browser.user.pk}
    assert not AuditEvent.objects.about(gone.pk).exists()
    assert OutboxMessage.objects.get(kind="accounts.erasure").payload == {}


def test_rows_of_an_account_are_erased_in_batches(gone, monkeypatch):
    monkeypatch.setattr("accounts.services.erasure.BATCH_ROWS", 2)
    SessionFactory.create_batch(5, user=gone)
    other = SessionFactory()
    with CaptureQueriesContext(connection) as captured:
        erase(user=gone)
    deletions = [
        query["sql"] for query in captured if query["sql"].startswith('DELETE FROM "accounts_session"')
    ]

    assert len(deletions) == 3
    assert Session.objects.filter(pk=other.pk).exists()


def test_an_account_that_is_restored_meanwhile_is_not_erased(browser, gone, deliver):
    do(browser, "erase", gone)
    do(browser, "restore", gone)
    User.objects.get(pk=gone.pk).soft_delete()
    deliver()

    assert User.objects.filter(pk=gone.pk).exists()


def test_the_page_of_an_erasure_states_that_it_is_final(browser, gone):
    assert "This cannot be undone." in browser.get(address_of(gone, "erase")).content.decode()


def test_an_account_that_is_not_deleted_is_not_erased(browser, owner):
    assert messages_of(do(browser, "erase", owner.user)) == ["There was nothing to do."]
    assert User.objects.filter(pk=owner.user.pk).exists()
