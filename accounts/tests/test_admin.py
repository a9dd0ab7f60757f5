"""Users in the admin."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from accounts.tests.checks import event, events, lock_out, log_in_with
from accounts.tests.factories import PASSWORD, SessionFactory, UserFactory
from core.tests.office import act, browser_of, errors, queries_of, rows, url_of

pytestmark = pytest.mark.django_db

NEW = {"email": "new@example.com", "name": "New Person", "role": "user", "password": PASSWORD}


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


def edit(browser, user, **changes):
    body = {"name": user.name, "role": user.role, "groups": [], **changes}
    return browser.post(url_of(user, "change"), body, follow=True)


# --- the list -------------------------------------------------------------------------------------


def search(browser, **query):
    return {user.pk for user in rows(browser.get(url_of(User), query))}


def test_the_list_shows_role_lock_and_live_sessions(browser):
    user = UserFactory(email="ann@example.com")
    lock_out(user)
    SessionFactory.create_batch(2, user=user)
    SessionFactory(user=user, ended_at=timezone.now())
    page = browser.get(url_of(User), {"q": "ann@"}).content.decode()

    assert "locked for 15 min" in page
    assert f'?user__id__exact={user.pk}&amp;state=live">2</a>' in page
    assert '<td class="field-role">User</td>' in page


def test_email_and_name_are_searched(browser):
    ann, bob = UserFactory(email="ann@example.com"), UserFactory(name="Bob Annson")
    UserFactory(name="Carl")

    assert search(browser, q="ann") == {ann.pk, bob.pk}


def test_deleted_users_are_listed_and_can_be_filtered(browser, owner):
    gone = UserFactory()
    gone.soft_delete()

    assert {gone.pk, owner.user.pk} <= search(browser)
    assert search(browser, deleted="yes") == {gone.pk}
    assert gone.pk not in search(browser, deleted="no")


def test_the_list_filters_by_role_and_verification(browser):
    proven = UserFactory(role="staff", email_verified_at=timezone.now())
    UserFactory(role="staff")
    UserFactory(email_verified_at=timezone.now())

    assert search(browser, role__exact="staff", verified="yes") == {proven.pk}


def test_the_list_filters_by_locked_users(browser, clock):
    locked, opened, before = UserFactory.create_batch(3)
    lock_out(before)
    clock.shift(timedelta(minutes=16))
    browser.force_login(browser.user)
    lock_out(locked)
    lock_out(opened)
    act(browser, "unlock", opened)

    assert search(browser, locked="yes") == {locked.pk}


def test_the_number_of_queries_of_the_list_does_not_grow(browser):
    def somebody():
        user = UserFactory()
        lock_out(user)
        SessionFactory(user=user)

    somebody()
    few = queries_of(browser, url_of(User))
    for _ in range(5):
        somebody()

    assert queries_of(browser, url_of(User)) == few


# --- adding ---------------------------------------------------------------------------------------


def test_a_new_account_can_log_in_and_gets_a_verification_email(browser, deliver):
    response = browser.post(url_of(User, "add"), {**NEW, "email": " New@Example.com"})

    assert response.status_code == 302
    assert log_in_with("new@example.com").status_code == 200
    assert [mail.to for mail in deliver()] == [["new@example.com"]]


def test_adding_is_audited_with_its_actor(browser):
    browser.post(url_of(User, "add"), {**NEW, "role": "staff"})
    user = User.objects.get(email="new@example.com")

    assert user.role == "staff"
    assert (event("user.created").actor_id, event("user.created").target_id) == (browser.user.pk, user.pk)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("email", "nonsense", "valid email"),
        ("email", "Taken@example.com", "exists"),
        ("name", "x", "at least 2"),
        ("name", "a\u202eb", "Control characters"),
        ("password", "short", "At least 8"),
        ("password", "New-person1", "similar to"),
        ("role", "king", "valid choice"),
    ],
)
def test_a_value_that_the_api_refuses_is_an_error_of_its_field(browser, field, value, problem):
    UserFactory(email="taken@example.com")
    response = browser.post(url_of(User, "add"), {**NEW, field: value})

    assert problem in " ".join(errors(response)[field])
    assert not User.objects.filter(email="new@example.com").exists()


# --- editing --------------------------------------------------------------------------------------


def test_a_name_is_changed_as_a_version_with_an_audit_event(browser, owner):
    edit(browser, owner.user, name="Other Name")
    user = User.objects.get(pk=owner.user.pk)

    assert (user.name, user.version) == ("Other Name", owner.user.version + 1)
    assert event("user.updated").changes == {"name": ["Olive Owner", "Other Name"]}
    assert event("user.updated").actor_id == browser.user.pk


def test_saving_without_a_change_changes_nothing(browser, owner):
    before = events()
    edit(browser, owner.user)

    assert User.objects.get(pk=owner.user.pk).version == owner.user.version
    assert events() == before


def test_a_concurrent_change_is_not_overwritten(browser, owner):
    seen = browser.get(url_of(owner.user, "change")).context["adminform"].form["seen_version"].value()
    owner.patch("/api/v1/users/me", {"name": "Newer Name"})
    response = edit(browser, owner.user, role="staff", seen_version=seen)

    assert (User.objects.get(pk=owner.user.pk).name, User.objects.get(pk=owner.user.pk).role) == (
        "Newer Name",
        "user",
    )
    assert "saved this meanwhile" in errors(response)["__all__"][0]


def test_the_form_does_not_change_the_role(browser, owner):
    edit(browser, owner.user, role="staff")

    assert User.objects.get(pk=owner.user.pk).role == "user"


def test_groups_are_set_and_audited(browser, owner):
    group = Group.objects.create(name="Support")
    edit(browser, owner.user, groups=[group.pk])

    assert list(owner.user.groups.all()) == [group]
    assert event("user.groups_changed").changes == {"groups": [[], ["Support"]]}
    assert event("user.groups_changed").actor_id == browser.user.pk


def test_email_and_password_are_no_fields_of_the_page(browser, owner):
    edit(browser, owner.user, email="other@example.com", password="x", email_verified_at="2026-01-01")
    user = User.objects.get(pk=owner.user.pk)

    assert (user.email, user.email_verified) == (owner.user.email, False)
    assert user.check_password(PASSWORD)
    assert user.password not in browser.get(url_of(user, "change")).content.decode()


def test_a_deleted_user_is_read_only(browser):
    gone = UserFactory()
    gone.soft_delete()

    assert browser.get(url_of(gone, "change")).status_code == 200
    assert edit(browser, gone, name="Other Name").status_code == 403
