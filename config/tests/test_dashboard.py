"""The first page of the admin: its figures, who sees which, and how many queries it needs."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.tests.checks import lock_out
from accounts.tests.factories import SessionFactory, UserFactory
from core.db.base import key_at
from core.outbox.models import OutboxMessage
from core.tests.factories import AuditEventFactory, JobFactory, OutboxMessageFactory
from core.tests.office import allow, browser_of, queries_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def figures(browser):
    """Return {(card, label): figure}."""
    cards = browser.get("/admin/").context["cards"]
    return {(str(card.title), str(figure.label)): figure for card in cards for figure in card.figures}


def numbers(browser):
    return [int(bar.number) for bar in browser.get("/admin/").context["bars"]]


def ago(**period):
    return timezone.now() - timedelta(**period)


def test_sign_ups_are_counted_by_day_for_two_weeks(browser):
    before = numbers(browser)
    for days in (0, 3, 3, 13, 14):
        UserFactory(created_at=ago(days=days))

    new = [after - was for after, was in zip(numbers(browser), before, strict=True)]
    assert new == [1, *[0] * 9, 2, 0, 0, 1]


def test_the_chart_is_an_image_without_inline_style_or_script(browser):
    page = browser.get("/admin/").content.decode()
    [chart] = re.findall(r"<svg class=\"chart\".*?</svg>", page, re.DOTALL)

    assert chart.count("<rect") == 14
    assert 'role="img"' in chart
    assert " style=" not in page
    assert "<style" not in page
    assert re.findall(r"<script(?![^>]*\ssrc=)", page) == []


def test_a_day_without_sign_ups_is_no_error(browser):
    User.objects.update(created_at=ago(days=30))

    assert numbers(browser) == [0] * 14


def test_live_sessions_are_counted(browser):
    SessionFactory.create_batch(2)
    SessionFactory(ended_at=timezone.now())

    assert figures(browser)["Sessions", "Active"].value == "3"


def test_lock_outs_and_failed_log_ins_of_a_day_are_counted(browser, owner):
    lock_out(owner.user)
    AuditEventFactory(event="account.locked", pk=key_at(ago(hours=25)))
    shown = figures(browser)

    assert shown["Log-ins", "Lock-outs, 24 h"].value == "1"
    assert shown["Log-ins", "Failed log-ins, 24 h"].value == "4"


@pytest.mark.parametrize(
    ("factory", "card", "waiting", "done_label", "done"),
    [
        (OutboxMessageFactory, "Emails", "Pending", "Done, 24 h", "done"),
        (JobFactory, "Jobs", "Queued or running", "Finished, 24 h", "succeeded"),
    ],
)
def test_work_is_counted_by_state_with_the_age_of_the_oldest(
    browser, factory, card, waiting, done_label, done
):
    factory(created_at=ago(hours=3))
    factory()
    factory(status="failed", created_at=ago(days=3), finished_at=ago(days=2))
    factory(status=done, finished_at=ago(hours=1))
    factory(status=done, finished_at=ago(hours=25))
    shown = figures(browser)

    assert (shown[card, waiting].value, shown[card, waiting].note) == ("2", "oldest: 3\xa0hours")
    assert (shown[card, "Failed"].value, shown[card, "Failed"].note) == ("1", "oldest: 3\xa0days")
    assert shown[card, "Failed"].is_bad
    assert shown[card, done_label].value == "1"


def test_a_figure_leads_to_its_list(browser):
    message = OutboxMessageFactory(status="failed", finished_at=timezone.now())
    response = browser.get(figures(browser)["Emails", "Failed"].address)

    assert list(response.context["cl"].result_list) == [message]


def test_counts_are_bounded(browser, monkeypatch):
    monkeypatch.setattr("core.admin.panels.MAX_COUNTED_ROWS", 2)
    monkeypatch.setattr("config.dashboard.MAX_COUNTED_ROWS", 2)
    OutboxMessageFactory.create_batch(4)

    assert figures(browser)["Emails", "Pending"].value == "2+"


def test_readiness_and_version_are_shown(browser, client, settings):
    response = browser.get("/admin/")
    shown, page = response.context["readiness"], response.content.decode()
    probe = client.get("/health/ready").json()

    assert {name: check["status"] for name, check in shown["checks"].items()} == {
        name: check["status"] for name, check in probe["checks"].items()
    }
    assert f'<span class="state-{probe["status"]}">{probe["status"]}</span>' in page
    assert settings.VERSION in page


def test_staff_see_the_figures_of_what_they_may_view(staff):
    UserFactory()
    assert figures(browser_of(staff.user)) == {}
    assert browser_of(staff.user).get("/admin/").context["bars"] == []
    allow(staff.user, "core_outbox.view_outboxmessage")
    browser = browser_of(User.objects.get(pk=staff.user.pk))

    assert {card for card, _label in figures(browser)} == {"Emails"}


def test_the_number_of_queries_does_not_grow(browser):
    browser.get("/admin/")  # the first one looks for pending migrations
    few = queries_of(browser, "/admin/")
    UserFactory.create_batch(5)
    SessionFactory.create_batch(5)
    OutboxMessageFactory.create_batch(5)

    assert queries_of(browser, "/admin/") == few


def test_every_count_has_a_limit(browser):
    OutboxMessageFactory(status=OutboxMessage.Status.FAILED, finished_at=timezone.now())
    with CaptureQueriesContext(connection) as captured:
        browser.get("/admin/")
    counting = [query["sql"] for query in captured if "COUNT(" in query["sql"]]

    assert len(counting) == 14 + 1 + 2 + 3 + 3
    assert [statement for statement in counting if "LIMIT" not in statement] == []
