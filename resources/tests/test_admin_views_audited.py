"""A view of personal data by staff is an audit event."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import Session, User
from accounts.tests.factories import SessionFactory
from config.tests.office import rows_of_all
from core.audit.models import AuditEvent
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
from core.tests.office import allow, browser_of, url_of
from resources.models import Attachment, Resource, Tag
from resources.tests.factories import ResourceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def views():
    return AuditEvent.objects.filter(event__endswith=".viewed").order_by("id")


def test_a_view_of_an_account_is_recorded(browser, owner):
    browser.get(url_of(owner.user, "change"))
    event = views().get()

    assert event.event == "user.viewed"
    assert (event.actor_id, event.target_id, event.subject_id) == (browser.user.pk, *[owner.user.pk] * 2)
    assert event.ip_address == "127.0.0.1"


def test_a_view_by_staff_with_the_view_permission_is_recorded(staff, owner):
    browser_of(allow(staff.user, "accounts.view_user")).get(url_of(owner.user, "change"))

    assert views().get().actor_id == staff.user.pk


def test_a_view_of_the_own_account_is_recorded(browser):
    browser.get(url_of(browser.user, "change"))

    assert views().get().subject_id == browser.user.pk


@pytest.mark.parametrize("model", [Session, Resource, Tag, Job, Attachment])
def test_a_view_of_a_row_of_a_person_is_recorded(browser, owner, model):
    row = rows_of_all(owner.user)[model]
    browser.get(url_of(row, "change"))
    event = views().get()

    target = row.resource if model is Attachment else row
    assert event.event == f"{target._meta.model_name}.viewed"
    assert (event.target_id, event.subject_id) == (target.pk, target.user_id)


def test_a_second_view_within_a_minute_is_not_recorded(browser, owner):
    for _ in range(3):
        browser.get(url_of(owner.user, "change"))

    assert views().count() == 1


def test_a_second_view_after_a_minute_is_recorded(browser, owner):
    AuditEvent.objects.create(
        event="user.viewed",
        actor_id=browser.user.pk,
        target_id=owner.user.pk,
        created_at=timezone.now() - timedelta(seconds=61),
    )
    browser.get(url_of(owner.user, "change"))

    assert views().count() == 2


def test_views_are_counted_by_viewer_and_person(browser, staff, owner, stranger):
    support = browser_of(allow(staff.user, "accounts.view_user"))
    for viewer in (browser, support):
        for user in (owner.user, stranger.user):
            viewer.get(url_of(user, "change"))

    assert views().count() == 4


def test_a_refused_view_is_not_recorded(staff, owner):
    assert browser_of(staff.user).get(url_of(owner.user, "change")).status_code == 403
    assert not views().exists()


def test_a_list_is_not_recorded(browser):
    browser.get(url_of(User))

    assert not views().exists()


@pytest.mark.parametrize("model", [User, Resource, Tag])
def test_a_form_that_is_shown_again_is_recorded(browser, owner, model):
    """Submit an invalid and a stale form: the page shows the same data as for a GET."""
    row = rows_of_all(owner.user)[model]
    response = browser.post(url_of(row, "change"), {"name": "", "title": "", "seen_version": "0"})

    assert response.status_code == 200
    assert (views().get().event, views().get().target_id) == (f"{model._meta.model_name}.viewed", row.pk)


@pytest.mark.parametrize("page", ["delete", "password"])
def test_the_other_pages_of_an_account_are_recorded(browser, owner, page):
    assert browser.get(url_of(owner.user, page)).status_code == 200
    assert (views().get().event, views().get().target_id) == ("user.viewed", owner.user.pk)


@pytest.mark.parametrize("model", [AuditEvent, OutboxMessage])
def test_pages_of_rows_that_may_name_people_are_recorded(browser, owner, model):
    row = rows_of_all(owner.user)[model]
    browser.get(url_of(row, "change"))

    assert (views().get().event, views().get().target_id) == (f"{model._meta.model_name}.viewed", row.pk)


@pytest.mark.parametrize("method", ["get", "patch"])
def test_an_account_read_through_the_api_is_recorded(admin, owner, method):
    for _ in range(2):
        assert getattr(admin, method)(f"/api/v1/users/{owner.user.pk}").status_code == 200
    event = views().get()

    assert (event.event, event.actor_id, event.subject_id) == ("user.viewed", admin.user.pk, owner.user.pk)


def test_the_own_account_read_through_the_api_is_not_recorded(admin, owner):
    for path in ("me", str(owner.user.pk)):
        owner.get(f"/api/v1/users/{path}")
    admin.get("/api/v1/users/01890000-0000-7000-8000-000000000000")

    assert not views().exists()


def test_the_history_of_an_object_does_not_show_views(browser, owner):
    resource = ResourceFactory(user=owner.user)
    browser.get(url_of(resource, "change"))

    assert owner.get(f"/api/v1/resources/{resource.pk}/history").json()["data"] == []


def test_their_events_are_found_by_the_person(browser, owner):
    session = SessionFactory(user=owner.user)
    browser.get(url_of(session, "change"))
    page = browser.get(url_of(AuditEvent), {"q": str(owner.user.pk)})

    assert "session.viewed" in page.content.decode()
