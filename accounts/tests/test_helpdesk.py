"""The group for staff who help people, as the product ships it."""

from importlib import import_module

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission

from accounts.models import User
from accounts.tests.checks import lock_out
from accounts.tests.factories import SessionFactory, UserFactory
from core.outbox.models import OutboxMessage
from core.tests.office import browser_of, buttons, url_of

pytestmark = pytest.mark.django_db

migration = import_module("accounts.migrations.0007_helpdesk")


@pytest.fixture
def group():
    """Create the group as `migrate` does."""
    Group.objects.filter(name="Helpdesk").delete()
    migration.create_group(apps, None)
    return Group.objects.get(name="Helpdesk")


@pytest.fixture
def helpdesk(staff, group):
    staff.user.groups.add(group)
    return browser_of(staff.user)


def codes(group):
    names = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{code}" for app, code in names}


def test_the_group_may_see_and_help_people_and_no_more(group):
    assert codes(group) == {
        *("accounts.view_user", "accounts.view_session", "core_outbox.view_outboxmessage"),
        *("accounts.unlock_user", "accounts.send_reset_link_user", "accounts.end_sessions_user"),
    }


def test_the_permissions_are_those_that_django_creates(group):
    names = {code: name for _app, _model, code, name in migration.PERMISSIONS}

    assert names == dict(Permission.objects.filter(codename__in=names).values_list("codename", "name"))


def test_a_group_of_this_name_is_left_as_it_is(group):
    group.permissions.clear()
    migration.create_group(apps, None)

    assert codes(group) == set()


def test_the_helpdesk_opens_a_locked_account_and_sees_three_buttons(helpdesk):
    user = SessionFactory().user
    lock_out(user)

    assert buttons(helpdesk, user) == ["Unlock", "Send a reset link", "End sessions"]
    context = helpdesk.get(url_of(user, "change")).context
    assert [str(panel.title) for panel in context["panels"]] == ["Live sessions", "Emails", "In total"]
    assert not context["has_change_permission"]


def test_the_helpdesk_sees_no_audit_log_groups_jobs_or_checks(helpdesk):
    for page in ("core_audit/auditevent/", "auth/group/", "core_jobs/job/", "checks/"):
        assert helpdesk.get(f"/admin/{page}").status_code in {403, 404}


def test_the_helpdesk_neither_edits_deletes_nor_downloads(helpdesk):
    user = UserFactory()
    edited = helpdesk.post(url_of(user, "change"), {"name": "Other"})

    assert edited.status_code == 403
    for page in ("delete", "password", "csv"):
        assert helpdesk.get(url_of(user, page)).status_code == 403
    assert User.objects.get(pk=user.pk).name == user.name


def test_the_helpdesk_has_the_actions_of_its_buttons_in_the_lists(helpdesk):
    def actions(model):
        form = helpdesk.get(url_of(model)).context["action_form"]
        return {name for name, _label in form.fields["action"].choices if name} if form else set()

    UserFactory()
    assert actions(User) == {"unlock", "send_reset_link", "end_sessions"}
    assert actions(OutboxMessage) == set()
