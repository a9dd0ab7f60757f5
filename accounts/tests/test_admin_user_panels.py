"""The tables on the page of a user: what belongs to the person, as far as the viewer may see it."""

import pytest
from django.utils import timezone

from accounts.tests.factories import SessionFactory, UserFactory
from core.audit import services as audit
from core.tests.factories import AuditEventFactory, JobFactory, OutboxMessageFactory
from core.tests.office import allow, browser_of, queries_of, url_of

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def panels(browser, user):
    """Return {title: rows} of the page, each cell as text."""
    context = browser.get(url_of(user, "change")).context
    return {str(panel.title): [tuple(map(str, row)) for row in panel.rows] for panel in context["panels"]}


def test_live_sessions_are_shown_with_device_address_and_last_use(browser):
    session = SessionFactory(user_agent=FIREFOX, ip_address="192.0.2.7")
    SessionFactory(user=session.user, ended_at=timezone.now())
    [row] = panels(browser, session.user)["Live sessions"]

    assert "Firefox on Linux" in row[0]
    assert url_of(session, "change") in row[0]
    assert row[1:3] == ("192.0.2.7", f"{session.last_used_at:%Y-%m-%d %H:%M}")


def test_emails_are_those_to_the_person_and_about_the_person(browser, owner):
    mine = [
        OutboxMessageFactory(payload={"user": str(owner.user.pk)}),
        OutboxMessageFactory(payload={"email": owner.user.email}),
    ]
    OutboxMessageFactory(payload={"email": "other@example.com"})
    rows = panels(browser, owner.user)["Emails"]

    assert [url_of(message, "change") in row[0] for message, row in zip(mine[::-1], rows, strict=True)] == [
        True,
        True,
    ]


def test_jobs_are_shown(browser, owner):
    JobFactory(user=owner.user)
    JobFactory()
    [row] = panels(browser, owner.user)["Jobs"]

    assert "test.job" in row[0]
    assert row[1] == "queued"


def test_events_name_the_actor(browser, owner):
    AuditEventFactory(event="thing.lost", actor_id=owner.user.pk)
    audit.record("thing.returned", actor_id=browser.user.pk, target=owner.user)
    AuditEventFactory(event="thing.other")
    rows = panels(browser, owner.user)["Audit events"]
    by = {name: actor for name, actor, *_ in rows}

    assert [actor for link, actor in by.items() if "thing.lost" in link] == ["this person"]
    assert [actor for link, actor in by.items() if "thing.returned" in link] == [browser.user.email]
    assert not any("thing.other" in link for link in by)


def test_everything_that_the_person_owns_is_counted(browser, owner):
    JobFactory.create_batch(3, user=owner.user)
    totals = dict(panels(browser, owner.user)["In total"])

    assert f'<a href="{url_of(JobFactory._meta.model)}?q={owner.user.pk}">3</a>' == totals["Jobs"]
    assert ">1</a>" in totals["Sessions"]


def test_a_count_is_bounded(browser, owner, monkeypatch):
    monkeypatch.setattr("core.admin.panels.MAX_COUNTED_ROWS", 2)
    JobFactory.create_batch(3, user=owner.user)

    assert ">2+</a>" in dict(panels(browser, owner.user)["In total"])["Jobs"]


def test_a_panel_needs_the_permission_to_view_its_rows(staff, owner):
    JobFactory(user=owner.user)
    allow(staff.user, "accounts.view_user", "accounts.view_session")
    shown = panels(browser_of(staff.user), owner.user)

    assert list(shown) == ["Live sessions", "In total"]
    assert [name for name, _link in shown["In total"]] == ["Sessions"]


def test_the_queries_of_the_page_do_not_grow(browser):
    def page_of(number):
        user = UserFactory()
        SessionFactory.create_batch(number, user=user)
        JobFactory.create_batch(number, user=user)
        for _ in range(number):
            audit.record("thing.done", actor_id=UserFactory().pk, target=user)
        browser.get(url_of(user, "change"))  # whose view is recorded
        return queries_of(browser, url_of(user, "change"))

    assert page_of(1) == page_of(6)


def test_a_hostile_device_is_escaped(browser):
    session = SessionFactory(user_agent="<script>alert(1)</script>")

    assert b"<script>alert(1)" not in browser.get(url_of(session.user, "change")).content
