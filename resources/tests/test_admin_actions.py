"""Actions on many rows: their confirmation, the rows on which they act, and their batches."""

import threading

import pytest
from django.db import connection, transaction

from accounts.models import Session, User
from accounts.tests.factories import SessionFactory, UserFactory
from core.admin import actions as admin_actions
from core.audit.models import AuditEvent
from core.tests.factories import JobFactory
from core.tests.office import act, allow, browser_of, choose, go_on, messages_of, needs_confirmation, url_of
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def trashed():
    return set(Resource.objects.exclude(deleted_at=None).values_list("title", flat=True))


def choose_all(browser, row, **query):
    """Choose all rows of the list, as "Select all … resources" does. Only one of them is ticked."""
    url = f"{url_of(type(row))}?{'&'.join(f'{name}={text}' for name, text in query.items())}"
    return choose(browser, "move_to_trash", row, url=url, select_across="1")


@pytest.mark.parametrize(
    ("action", "factory", "consequence"),
    [
        ("move_to_trash", ResourceFactory, "erased 30 days later"),
        ("end_sessions", UserFactory, "logged out on every device"),
        ("end", SessionFactory, "logged out at once"),
        ("cancel", JobFactory, "stops at its next step"),
    ],
)
def test_a_destructive_action_is_confirmed_first(browser, action, factory, consequence):
    chosen = [factory(), factory()]
    response = choose(browser, action, *chosen)
    page = response.content.decode()

    assert needs_confirmation(response)
    assert f": 2 {chosen[0]._meta.verbose_name_plural}" in page
    assert consequence in page
    assert all(str(row) in page for row in chosen)
    assert not AuditEvent.objects.exists()


def test_a_harmless_action_needs_no_confirmation(browser):
    resource = ResourceFactory()
    resource.soft_delete()

    assert messages_of(choose(browser, "restore", resource)) == ["Restored: 1."]


def test_a_confirmed_action_is_done(browser):
    response = choose(browser, "move_to_trash", ResourceFactory(title="a"), ResourceFactory(title="b"))

    assert messages_of(go_on(browser, response)) == ["Moved to the trash: 2."]
    assert trashed() == {"a", "b"}


def test_select_all_selects_and_counts_the_rows_of_the_filter(browser):
    drafts = [ResourceFactory(title=f"draft {n}", status="draft") for n in range(3)]
    ResourceFactory(title="other", status="published")
    response = choose_all(browser, drafts[0], status__exact="draft")

    assert "3 resources" in response.content.decode()
    assert messages_of(go_on(browser, response)) == ["Moved to the trash: 3."]
    assert trashed() == {"draft 0", "draft 1", "draft 2"}


def test_a_row_that_is_created_after_the_confirmation_page_is_unchanged(browser):
    old = ResourceFactory(title="old", status="draft")
    response = choose_all(browser, old, status__exact="draft")
    ResourceFactory(title="new", status="draft")
    go_on(browser, response)

    assert trashed() == {"old"}


def test_a_confirmed_row_need_no_longer_match_the_filter(browser):
    resource = ResourceFactory(title="one", status="draft")
    response = choose_all(browser, resource, status__exact="draft")
    Resource.objects.update(status="published")
    go_on(browser, response)

    assert trashed() == {"one"}


def test_select_all_is_confirmed_for_every_action(browser):
    user = UserFactory()

    assert needs_confirmation(choose(browser, "unlock", user, select_across="1"))


def test_more_rows_than_the_limit_are_refused(browser, monkeypatch):
    monkeypatch.setattr(admin_actions, "MAX_SELECTED", 2)
    resources = [ResourceFactory() for _ in range(3)]
    response = choose_all(browser, resources[0])

    assert messages_of(response) == [
        "More than 2 are selected. Narrow the list down by its filters or its search."
    ]
    assert trashed() == set()


@pytest.fixture
def short_batches(monkeypatch):
    """Set the time limit of a batch so that it ends with its first row."""
    monkeypatch.setattr(admin_actions, "MAX_BATCH_SECONDS", 0)


@pytest.mark.usefixtures("short_batches")
def test_a_long_action_continues_with_the_next_request(browser):
    resources = [ResourceFactory(title=str(number)) for number in range(3)]
    response = go_on(browser, choose(browser, "move_to_trash", *resources))

    assert len(trashed()) == 1
    assert "Move to the trash: 1 of 3" in response.content.decode()
    response = go_on(browser, response)
    assert "Move to the trash: 2 of 3" in response.content.decode()
    response = go_on(browser, response)
    assert not needs_confirmation(response)
    assert messages_of(response) == ["Moved to the trash: 3."]


@pytest.mark.usefixtures("short_batches")
def test_the_messages_of_a_batch_name_refused_and_unchanged_rows(browser, staff):
    support = browser_of(allow(staff.user, "accounts.view_user", "accounts.change_user"))
    gone = UserFactory()
    gone.soft_delete()
    response = go_on(support, choose(support, "end_sessions", browser.user, gone, UserFactory()))
    texts = messages_of(response)
    while needs_confirmation(response):
        response = go_on(support, response)
        texts += messages_of(response)

    assert [text for text in texts if "Only an admin" in text]
    assert "Nothing to do for 1 of the chosen." in texts
    assert "Logged out everywhere: 1." in texts


def test_a_row_that_was_deleted_after_the_confirmation_page_is_skipped(browser):
    session, gone = SessionFactory(), SessionFactory()
    response = choose(browser, "end", session, gone)
    Session.objects.filter(pk=gone.pk).delete()

    assert messages_of(go_on(browser, response)) == ["Ended: 1.", "Nothing to do for 1 of the chosen."]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
def test_a_row_that_is_locked_for_too_long_is_refused_and_the_others_are_done(browser):
    locked, free = ResourceFactory(title="locked"), ResourceFactory(title="free")
    response = choose(browser, "move_to_trash", locked, free)
    held, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Resource.objects.select_for_update().get(pk=locked.pk)
            held.set()
            done.wait(30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(30)
    texts = []
    while needs_confirmation(response):
        response = go_on(browser, response)
        texts += messages_of(response)
    done.set()
    holder.join()

    assert trashed() == {"free"}
    assert [text for text in texts if str(locked.pk) in text]


def test_the_action_returns_to_the_first_page_of_the_filtered_list(browser):
    resource = ResourceFactory(status="draft")
    url = f"{url_of(Resource)}?status__exact=draft&p=1"
    response = choose(browser, "move_to_trash", resource, url=url)

    assert response.context["address"] == f"{url_of(Resource)}?status__exact=draft"
    assert go_on(browser, response).redirect_chain == [(f"{url_of(Resource)}?status__exact=draft", 302)]


def test_the_confirmed_form_needs_the_permission_too(staff):
    resource = ResourceFactory(title="one")
    browser = browser_of(allow(staff.user, "resources.view_resource"))
    body = {
        "action": "move_to_trash",
        "select_across": "1",
        "_selected_action": resource.pk,
        "keys": resource.pk,
    }
    browser.post(url_of(Resource), body)

    assert trashed() == set()


def test_an_action_is_still_audited_row_by_row(browser):
    users = [UserFactory(), UserFactory()]
    for user in users:
        SessionFactory(user=user)
    act(browser, "end_sessions", *users)

    assert Session.objects.live().filter(user__in=users).count() == 0
    assert set(AuditEvent.objects.values_list("target_id", flat=True)) >= {user.pk for user in users}
    assert User.objects.filter(pk__in=[user.pk for user in users]).count() == 2
