from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry

from accounts.models import User
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, access_of, data, refusal
from accounts.tests.factories import OneTimeTokenFactory
from core.audit.models import AuditEvent
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db

URL = f"{API}/users/me/export"


def test_holds_everything_about_the_caller(owner):
    tag = TagFactory(user=owner.user, name="spare")
    present = ResourceFactory(user=owner.user, title="Kept", tags=["red"])
    deleted = ResourceFactory(user=owner.user, title="Deleted")
    deleted.soft_delete()
    link = OneTimeTokenFactory(user=owner.user)

    export = data(owner.get(URL))

    assert export["account"]["email"] == owner.user.email
    assert [row["id"] for row in export["sessions"]] == [str(owner.session_id)]
    assert [row["email"] for row in export["mailedLinks"]] == [link.email]
    assert [(row["id"], row["title"], row["tags"]) for row in export["resources"]] == [
        (str(present.pk), "Kept", ["red"]),
        (str(deleted.pk), "Deleted", []),
    ]
    assert {row["name"] for row in export["tags"]} == {tag.name, "red"}


def test_holds_what_was_done_by_and_to_the_caller(owner, admin):
    owner.patch(f"{API}/users/me", {"name": "Olive Oyl"})
    admin.patch(f"{API}/users/{owner.user.pk}", {"role": "staff"})

    events = [(row["event"], row["changes"]) for row in data(owner.get(URL))["auditEvents"]]

    assert events == [
        ("user.updated", {"name": ["Olive Owner", "Olive Oyl"]}),
        ("user.role_changed", {"role": ["user", "staff"]}),
        ("user.viewed", {}),  # the response shows the person
    ]


def test_does_not_name_other_actors(owner, admin):
    admin.patch(
        f"{API}/users/{owner.user.pk}",
        {"role": "staff"},
        HTTP_USER_AGENT="AdminPhone",
        REMOTE_ADDR="192.0.2.7",
    )

    response = owner.get(URL)

    assert "user.role_changed" in response.content.decode()
    for trace in ("AdminPhone", "192.0.2.7", str(admin.user.pk)):
        assert trace not in response.content.decode()


def test_a_former_admin_gets_no_data_of_others(owner, admin):
    theirs = ResourceFactory(user=owner.user, title="Theirs before")
    path = f"{API}/resources/{theirs.pk}"
    admin.patch(path, {"title": "Theirs after", "content": "Their content"})
    admin.patch(f"{API}/users/{owner.user.pk}", {"name": "Their name"})
    User.objects.filter(pk=admin.user.pk).update(role="user")

    response = admin.get(URL)

    events = {row["event"]: (row["targetId"], row["changes"]) for row in data(response)["auditEvents"]}
    assert events["resource.updated"] == (str(theirs.pk), {})
    for trace in ("Theirs", "Their content", "Their name"):
        assert trace not in response.content.decode()


def test_has_changes_of_the_admin_without_their_values(owner, admin):
    theirs = ResourceFactory(user=owner.user, title="Theirs")
    LogEntry.objects.log_actions(admin.user.pk, [theirs], CHANGE, "Changed to Theirs.", single_object=True)

    response = admin.get(URL)

    (action,) = data(response)["adminActions"]
    assert (action["action"], action["targetType"], action["targetId"]) == (
        "change",
        "resource",
        str(theirs.pk),
    )
    assert "Theirs" not in response.content.decode()


def test_is_audited(owner):
    owner.get(URL)

    event = AuditEvent.objects.get(event="user.exported")
    assert (event.actor_id, event.subject_id) == (owner.user.pk, owner.user.pk)


def test_holds_nothing_of_others(owner, stranger):
    ResourceFactory(user=stranger.user, title="Not yours")
    link = OneTimeTokenFactory(user=stranger.user)
    stranger.patch(f"{API}/users/me", {"name": "Sam Someone"})

    response = owner.get(URL)

    data(response)
    for trace in (
        stranger.user.email,
        stranger.user.pk,
        stranger.session_id,
        link.email,
        "Not yours",
        "Sam Someone",
    ):
        assert str(trace) not in response.content.decode()


def test_holds_no_secret(owner):
    secret = issue_token(owner.user, "password_reset", owner.user.email, timedelta(hours=1))
    link, session = owner.user.one_time_tokens.get(), owner.user.sessions.get()
    hashes = [owner.user.password, session.refresh_hash, link.token_hash]

    body = owner.get(URL).content.decode()

    assert link.email in body
    assert not any(text in body for text in (secret, access_of(owner), owner.refresh_token, *hashes))


def test_is_for_the_own_account_only(admin, owner):
    assert refusal(admin.get(f"{API}/users/{owner.user.pk}/export")) == (404, "NOT_FOUND")
