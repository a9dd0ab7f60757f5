import pytest

from accounts.models import User
from accounts.tests.checks import API, data, event, events, problems, refusal
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def path_of(caller):
    return f"{API}/users/{caller.user.pk}"


@pytest.mark.parametrize("role", ["staff", "admin"])
def test_an_admin_gives_a_role(admin, owner, role):
    assert data(admin.patch(path_of(owner), {"role": role}))["role"] == role

    user = User.objects.get(pk=owner.user.pk)
    assert (user.is_staff, user.is_superuser) == (True, role == "admin")


def test_a_promotion_counts_with_the_next_request(admin, owner):
    assert refusal(owner.get(f"{API}/users")) == (403, "FORBIDDEN")

    admin.patch(path_of(owner), {"role": "admin"})

    assert owner.get(f"{API}/users").status_code == 200


def test_a_demotion_counts_with_the_next_request(admin, log_in):
    other = log_in(UserFactory(role="admin"))
    assert other.get(f"{API}/users").status_code == 200

    admin.patch(path_of(other), {"role": "user"})

    assert refusal(other.get(f"{API}/users")) == (403, "FORBIDDEN")
    assert refusal(other.get(path_of(admin))) == (404, "NOT_FOUND")


@pytest.mark.parametrize("who", ["owner", "staff"])
@pytest.mark.parametrize("method", ["put", "patch"])
def test_no_user_can_raise_their_own_role(request, who, method):
    caller = request.getfixturevalue(who)
    before = caller.user.role

    response = getattr(caller, method)(f"{API}/users/me", {"role": "admin", "name": caller.user.name})

    assert data(response)["role"] == before
    assert User.objects.get(pk=caller.user.pk).role == before
    assert events() == []


def test_a_role_must_be_one_of_three(admin, owner):
    assert problems(admin.patch(path_of(owner), {"role": "root"})) == [("role", "invalid_choice")]
    assert problems(admin.patch(path_of(owner), {"role": None})) == [("role", "null")]


@pytest.mark.parametrize("role", ["user", "staff"])
def test_the_last_admin_cannot_be_demoted(admin, role):
    UserFactory(role="admin").soft_delete()  # does not count

    response = admin.patch(path_of(admin), {"role": role, "name": "Not an Admin"})

    assert refusal(response) == (409, "CONFLICT")
    assert User.objects.get(pk=admin.user.pk).role == "admin"
    assert User.objects.get(pk=admin.user.pk).name == "Ada Admin"


def test_one_of_two_admins_can_be_demoted(admin):
    UserFactory(role="admin")

    assert data(admin.patch(path_of(admin), {"role": "user"}))["role"] == "user"


def test_the_same_role_is_no_change(admin):
    assert admin.patch(path_of(admin), {"role": "admin"}).status_code == 200
    assert events() == []


def test_is_audited_with_before_and_after(admin, owner):
    admin.patch(
        path_of(owner), {"role": "staff"}, headers={"X-Request-ID": "req-1"}, REMOTE_ADDR="203.0.113.9"
    )

    changed = event("user.role_changed")
    assert (changed.actor_id, changed.target_id) == (admin.user.pk, owner.user.pk)
    assert (changed.ip_address, changed.request_id) == ("203.0.113.9", "req-1")
    assert changed.changes == {"role": ["user", "staff"]}


def test_a_refused_change_is_no_event(admin):
    admin.patch(path_of(admin), {"role": "user"})

    assert events() == []


def test_gives_a_new_version(admin, owner):
    before = owner.get(f"{API}/users/me")["ETag"]

    admin.patch(path_of(owner), {"role": "staff"})

    assert owner.get(f"{API}/users/me")["ETag"] != before
