"""Lists of the admin: their counts, days and columns, and the CSV file of each."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.models import Session, User
from accounts.tests.factories import SessionFactory, UserFactory
from core.audit.models import AuditEvent
from core.db.base import key_at
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
from core.tests.factories import AuditEventFactory, JobFactory, OutboxMessageFactory
from core.tests.office import address_of, allow, browser_of, buttons, do, queries_of, rows, url_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


# --- counts ---------------------------------------------------------------------------------------


@pytest.fixture
def few_counted(monkeypatch):
    for module in ("lists", "panels"):
        monkeypatch.setattr(f"core.admin.{module}.MAX_COUNTED_ROWS", 3)


@pytest.mark.usefixtures("few_counted")
def test_a_count_that_has_ended_is_shown_with_a_plus_and_how_to_reach_the_rest(browser):
    OutboxMessageFactory.create_batch(5, payload={"note": "test"})
    page = browser.get(url_of(OutboxMessage), {"q": "test"}).content.decode()

    assert "3+ outbox messages" in page
    assert "3+ results" in page
    assert "Older rows are reached by the filter by day" in page


@pytest.mark.usefixtures("few_counted")
def test_a_complete_count_is_shown_as_it_is(browser):
    OutboxMessageFactory.create_batch(3)
    page = browser.get(url_of(OutboxMessage)).content.decode()

    assert "3 outbox messages" in page
    assert "filter by day" not in page


# --- days -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [UserFactory, SessionFactory, OutboxMessageFactory, JobFactory])
def test_every_list_is_filtered_by_day(browser, factory):
    old = factory(pk=key_at(datetime(2026, 3, 2, 12, tzinfo=UTC)))
    factory()
    query = {"from": "2026-03-02", "to": "2026-03-02"}

    assert rows(browser.get(url_of(type(old)), query)) == [old]


def test_times_are_short_and_sortable(browser):
    user = UserFactory(created_at=datetime(2026, 3, 2, 12, 5, tzinfo=UTC))

    assert ">2026-03-02 12:05<" in browser.get(url_of(User), {"q": str(user.pk)}).content.decode()


# --- columns --------------------------------------------------------------------------------------


def test_the_outbox_shows_the_recipient(browser):
    OutboxMessageFactory(payload={"email": "ann@example.com"})

    assert (
        '<td class="field-recipient">ann@example.com</td>'
        in browser.get(url_of(OutboxMessage)).content.decode()
    )


def test_an_event_leads_to_those_of_the_same_request(browser):
    AuditEventFactory(request_id="0123456789abcdef")

    assert (
        f'<a href="{url_of(AuditEvent)}?q=0123456789abcdef">…89abcdef</a>'
        in browser.get(url_of(AuditEvent)).content.decode()
    )


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "live"),
        ({"ended_at": timezone.now(), "end_reason": "password_changed"}, "password changed"),
        ({"expires_at": timezone.now()}, "expired"),
    ],
)
def test_a_session_shows_its_state(browser, values, state):
    session = SessionFactory(**values)

    assert (
        f'<td class="field-state">{state}</td>'
        in browser.get(url_of(Session), {"q": str(session.pk)}).content.decode()
    )


# --- search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [SessionFactory, JobFactory])
def test_rows_are_found_by_the_address_of_their_owner(browser, factory):
    row, _other = factory(user__email="ann@example.com"), factory()

    assert rows(browser.get(url_of(type(row)), {"q": "Ann@Example.com"})) == [row]


def test_a_job_is_found_by_no_other_text(browser):
    JobFactory(user__email="ann@example.com")

    assert rows(browser.get(url_of(Job), {"q": "ann"})) == []


def test_texts_are_searched_in_the_newest_rows(browser, monkeypatch):
    monkeypatch.setattr("core.admin.lists.MAX_SEARCHED", 2)
    messages = [OutboxMessageFactory(payload={"note": "hello"}) for _ in range(3)]

    assert rows(browser.get(url_of(OutboxMessage), {"q": "hell"})) == messages[:0:-1]


def test_a_column_without_an_index_is_no_key(browser):
    key = uuid7()
    OutboxMessageFactory(lease_id=key)

    assert rows(browser.get(url_of(OutboxMessage), {"q": str(key)})) == []


# --- one row --------------------------------------------------------------------------------------


def test_a_failed_message_is_retried_on_its_page(browser):
    message = OutboxMessageFactory(status="failed", finished_at=timezone.now())
    assert buttons(browser, message) == ["Retry"]
    do(browser, "retry", message)
    message.refresh_from_db()

    assert message.status == "pending"
    assert buttons(browser, message) == []


def test_who_may_only_view_sees_no_button(staff):
    message = OutboxMessageFactory(status="failed", finished_at=timezone.now())
    browser = browser_of(allow(staff.user, "core_outbox.view_outboxmessage"))

    assert buttons(browser, message) == []
    assert browser.post(address_of(message, "retry")).status_code == 403


# --- CSV ------------------------------------------------------------------------------------------


def table(browser, model, **query):
    """Return the lines of the file, each as {column: cell}."""
    response = browser.get(url_of(model, "csv"), query)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def exporter(staff):
    return browser_of(allow(staff.user, "accounts.view_user", "accounts.export_user"))


def test_the_file_has_the_columns_and_filters_of_the_list(exporter):
    created_at = datetime(2026, 3, 2, tzinfo=UTC)
    user = UserFactory(email="ann@example.com", name="Ann", created_at=created_at)
    SessionFactory(user=user)
    UserFactory()
    [line] = table(exporter, User, q="ann@example.com")

    assert line == {
        "Email": "ann@example.com",
        "Name": "Ann",
        "Role": "user",
        "Verified": "false",
        "Live sessions": "1",
        "Lock": "–",
        "State": "active",
        "Created at": "2026-03-02T00:00:00Z",
    }


def test_a_cell_is_no_formula(exporter):
    UserFactory(email="ann@example.com", name="=1+1")

    assert table(exporter, User, q="ann@example.com")[0]["Name"] == "'=1+1"


def test_a_cell_has_no_markup(browser):
    AuditEventFactory(event="thing.lost", actor_id=UserFactory(email="ann@example.com").pk)

    assert table(browser, AuditEvent, event="thing.lost")[0]["Actor"] == "ann@example.com"


def test_the_file_has_every_page_in_the_order_of_the_list_and_a_limit(browser, monkeypatch):
    monkeypatch.setattr("core.admin.csv_lists.BATCH", 2)
    monkeypatch.setattr("core.admin.csv_lists.MAX_COUNTED_ROWS", 5)
    for number in range(7):
        OutboxMessageFactory(kind=f"test.{number}")

    assert [line["Kind"] for line in table(browser, OutboxMessage)] == [f"test.{n}" for n in range(6, 1, -1)]


def test_the_queries_of_a_file_do_not_grow_with_its_rows(browser):
    def size(number):
        UserFactory.create_batch(number)
        return queries_of(browser, url_of(User, "csv"))

    assert size(2) == size(10)


def test_a_file_is_recorded(exporter):
    table(exporter, User)
    event = AuditEvent.objects.get(event="user.list_exported")

    assert event.actor_id == exporter.user.pk


def test_the_file_needs_a_permission_of_its_own(staff):
    browser = browser_of(allow(staff.user, "accounts.view_user", "accounts.change_user"))

    assert "Download CSV" not in browser.get(url_of(User)).content.decode()
    assert browser.get(url_of(User, "csv")).status_code == 403


def test_the_permission_to_export_does_not_replace_that_to_view(staff):
    browser = browser_of(allow(staff.user, "accounts.export_user"))

    assert browser.get(url_of(User, "csv")).status_code == 403


def test_the_link_keeps_the_filters(exporter):
    page = exporter.get(url_of(User), {"role__exact": "staff", "p": "1"}).content.decode()

    assert f'href="{url_of(User, "csv")}?role__exact=staff"' in page


def test_a_wrong_filter_leads_to_the_list(browser):
    assert browser.get(url_of(User, "csv"), {"from": "yesterday"}).url == url_of(User)


# --- order ----------------------------------------------------------------------------------------


def test_a_list_is_not_sorted_by_a_column_without_an_index(browser):
    first, second = OutboxMessageFactory(kind="test.a"), OutboxMessageFactory(kind="test.b")

    assert rows(browser.get(url_of(OutboxMessage), {"o": "1"})) == [second, first]


def test_users_are_sorted_by_their_creation(browser):
    def emails(order):
        return [user.email for user in rows(browser.get(url_of(User), {"o": order}))]

    UserFactory.create_batch(3)
    assert emails("8") == emails("-8")[::-1]
