"""The admin site, its pages of the outbox and of the audit log."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.tests.factories import SessionFactory, UserFactory
from core.audit import services as audit
from core.audit.models import AuditEvent
from core.db.base import key_at
from core.outbox.models import OutboxMessage
from core.tests.factories import AuditEventFactory, OutboxMessageFactory
from core.tests.office import act, allow, browser_of, messages_of, queries_of, rows, url_of

pytestmark = pytest.mark.django_db

Status = OutboxMessage.Status


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def failed(**values):
    return OutboxMessageFactory(status=Status.FAILED, attempts=8, finished_at=timezone.now(), **values)


# --- the site -------------------------------------------------------------------------------------


def test_the_index_names_the_product_and_every_list(browser):
    page = browser.get("/admin/").content.decode()

    assert "Blue Bikes" in page
    for name in ("Users", "Sessions", "Groups", "Outbox messages", "Audit events", "Jobs"):
        assert f">{name}</a>" in page


@pytest.mark.parametrize("page", ["/admin/", "/admin/core_outbox/outboxmessage/", "/admin/password_change/"])
def test_every_page_has_the_log_out(browser, page):
    assert 'action="/admin/logout/"' in browser.get(page).content.decode()


def test_a_path_without_its_slash_leads_to_the_admin(client):
    assert client.get("/admin").url == "/admin/"


def test_forms_can_be_posted_because_the_referrer_stays_within_the_site(client):
    assert client.get("/admin/login/")["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize("model", [OutboxMessage, AuditEvent])
def test_staff_without_a_permission_see_no_list(staff, model):
    assert browser_of(staff.user).get(url_of(model)).status_code == 403


@pytest.mark.parametrize("model", [OutboxMessage, AuditEvent])
def test_staff_see_what_their_group_lets_them(staff, model):
    browser = browser_of(allow(staff.user, f"{model._meta.app_label}.view_{model._meta.model_name}"))

    assert browser.get(url_of(model)).status_code == 200


def test_a_user_is_sent_to_the_log_in(owner):
    assert browser_of(owner.user).get("/admin/").url.startswith("/admin/login/")


# --- the outbox -----------------------------------------------------------------------------------


def test_a_failed_message_can_be_retried(browser):
    message = failed()
    act(browser, "retry", message)
    message.refresh_from_db()

    assert (message.status, message.attempts, message.finished_at) == (Status.PENDING, 0, None)
    assert message.due_at <= timezone.now()


def test_a_retry_wakes_the_dispatcher(browser, monkeypatch, django_capture_on_commit_callbacks):
    woken = []
    monkeypatch.setattr("core.outbox.services.wake_up", lambda: woken.append(True))
    with django_capture_on_commit_callbacks(execute=True):
        act(browser, "retry", failed())

    assert woken


def test_a_retry_is_audited_with_who_did_it(browser):
    message = failed()
    act(browser, "retry", message)
    event = AuditEvent.objects.get(event="outboxmessage.retried")

    assert (event.actor_id, event.target_id) == (browser.user.pk, message.pk)
    assert event.changes == {"status": ["failed", "pending"]}


def test_only_failed_messages_are_retried(browser):
    done = OutboxMessageFactory(status=Status.DONE, attempts=1, finished_at=timezone.now())
    waiting = OutboxMessageFactory(attempts=3)
    response = act(browser, "retry", done, waiting, failed())
    done.refresh_from_db()
    waiting.refresh_from_db()

    assert (done.status, waiting.attempts) == (Status.DONE, 3)
    assert messages_of(response) == ["Waiting to be tried again: 1.", "Nothing to do for 2 of the chosen."]


def test_staff_who_may_only_view_cannot_retry(staff):
    message = failed()
    act(browser_of(allow(staff.user, "core_outbox.view_outboxmessage")), "retry", message)
    message.refresh_from_db()

    assert message.status == Status.FAILED


@pytest.mark.parametrize("page", ["add", "delete"])
def test_messages_are_neither_added_nor_deleted(browser, page):
    assert browser.get(url_of(failed(), page)).status_code == 403


def test_a_message_is_shown_and_not_edited(browser):
    message = failed(payload={"email": "<i>@example.com"})
    page = browser.get(url_of(message, "change")).content.decode()

    assert "&lt;i&gt;@example.com" in page
    assert "_save" not in page
    assert browser.post(url_of(message, "change"), {"attempts": "0"}).status_code == 403


@pytest.mark.parametrize("word", ["ann@example", "ANN@EXAMPLE"])
def test_the_payload_is_searched(browser, word):
    message = failed(payload={"email": "ann@example.com"})
    failed(payload={"email": "bob@example.com"})

    assert rows(browser.get(url_of(OutboxMessage), {"q": word})) == [message]


def test_a_message_is_found_by_its_id(browser):
    message, _other = failed(), failed()

    assert rows(browser.get(url_of(OutboxMessage), {"q": str(message.pk)})) == [message]


def test_status_and_kind_narrow_the_list(browser):
    message = failed(kind="accounts.email_proof")
    failed(kind="accounts.new_device")
    OutboxMessageFactory(kind="accounts.email_proof")
    response = browser.get(url_of(OutboxMessage), {"status__exact": "failed", "kind": "accounts.email_proof"})

    assert rows(response) == [message]


# --- the audit log --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["add", "delete"])
def test_events_are_neither_added_nor_deleted(browser, page):
    assert browser.get(url_of(AuditEventFactory(), page)).status_code == 403


def test_an_event_cannot_be_edited(browser):
    event = AuditEventFactory()

    assert browser.post(url_of(event, "change"), {"event": "other"}).status_code == 403
    assert "_save" not in browser.get(url_of(event, "change")).content.decode()


def test_an_event_names_people_by_their_address_and_escapes_what_changed(browser, owner):
    audit.record(
        "user.updated", actor_id=owner.user.pk, target=owner.user, changes={"name": ["<b>x</b>", "y"]}
    )
    event = AuditEvent.objects.get(event="user.updated")
    page = browser.get(url_of(event, "change")).content.decode()

    assert owner.user.email in page
    assert "&lt;b&gt;x&lt;/b&gt; → y" in page


def test_a_list_shows_the_owner_of_an_object(browser):
    session = SessionFactory(user__email="olive@example.com")
    audit.record("session.ended", target=session)

    assert "olive@example.com" in browser.get(url_of(AuditEvent), {"event": "session.ended"}).content.decode()


def test_events_are_found_by_address_person_object_and_request(browser):
    person, session = UserFactory(), uuid7()
    mine = [
        AuditEventFactory(actor_id=person.pk, request_id="one"),
        AuditEventFactory(subject_id=person.pk, target_id=session, request_id="two"),
    ]
    AuditEventFactory(actor_id=uuid7(), target_id=uuid7())

    def keys_of(term):
        return {event.pk for event in rows(browser.get(url_of(AuditEvent), {"q": term}))}

    assert keys_of(person.email.upper()) == keys_of(str(person.pk)) == {event.pk for event in mine}
    assert keys_of(str(session)) == keys_of("two") == {mine[1].pk}
    assert keys_of("three") == set()


def test_the_event_narrows_the_list(browser):
    event = AuditEventFactory(event="thing.lost")
    AuditEventFactory(event="thing.found")
    response = browser.get(url_of(AuditEvent), {"event": "thing.lost"})

    assert rows(response) == [event]
    assert "thing.found" in response.content.decode()


def test_days_narrow_the_list_and_both_count(browser):
    def at(day):
        moment = datetime(2026, 3, day, 23, 59, tzinfo=UTC)
        return AuditEventFactory(pk=key_at(moment), created_at=moment)

    events = [at(day) for day in (1, 2, 3, 4)]
    response = browser.get(url_of(AuditEvent), {"from": "2026-03-02", "to": "2026-03-03"})

    assert {event.pk for event in rows(response)} == {events[1].pk, events[2].pk}


def test_an_invalid_day_is_no_error(browser):
    response = browser.get(url_of(AuditEvent), {"from": "yesterday"})

    assert response.status_code == 302
    assert response.url.endswith("?e=1")


def test_the_form_of_days_has_the_search_as_hidden_fields(browser):
    page = browser.get(url_of(AuditEvent), {"q": 'a"b', "event": "thing.lost"}).content.decode()

    assert '<input type="hidden" name="q" value="a&quot;b">' in page
    assert '<input type="hidden" name="event" value="thing.lost">' in page


def test_a_row_leads_to_its_events(browser):
    message = failed()
    response = browser.get(url_of(message, "history"))

    assert response.url == f"{url_of(AuditEvent)}?q={message.pk}"


@pytest.mark.parametrize("factory", [AuditEventFactory, OutboxMessageFactory])
def test_the_queries_of_a_list_do_not_grow_with_its_rows(browser, factory):
    def with_people():
        person = UserFactory()
        return (
            factory(actor_id=person.pk, subject_id=person.pk) if factory is AuditEventFactory else factory()
        )

    url = url_of(with_people())
    few = queries_of(browser, url)
    for _ in range(10):
        with_people()

    assert queries_of(browser, url) == few


def test_counting_stops_where_it_would_take_long(browser, monkeypatch):
    for module in ("lists", "panels"):
        monkeypatch.setattr(f"core.admin.{module}.MAX_COUNTED_ROWS", 3)
    for _ in range(5):
        OutboxMessageFactory()

    assert browser.get(url_of(OutboxMessage)).context["cl"].result_count == 3


def test_the_log_of_django_admin_stays_empty(browser):
    """Write nothing to it: it would store addresses past the erasure of their owners. The audit log is the record."""
    act(browser, "retry", failed())

    assert LogEntry.objects.count() == 0
    assert AuditEvent.objects.count() == 1
