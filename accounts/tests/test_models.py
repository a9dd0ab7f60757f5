"""Constraints of the database, and methods of the models."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import Lockout, OneTimeToken, Session, User
from accounts.tests.factories import PASSWORD, OneTimeTokenFactory, SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

# --- constraints ---------------------------------------------------------------------------------


def two_users_of_one_address():
    UserFactory(email="ann@example.com")
    UserFactory(email="ann@example.com")


def a_role_that_is_unknown():
    User.objects.filter(pk=UserFactory().pk).update(role="root")


BROKEN = {
    "email_is_unique_among_living_users": two_users_of_one_address,
    "role_is_known": a_role_that_is_unknown,
}


def test_every_constraint_has_a_case():
    declared = {
        constraint.name
        for model in apps.get_app_config("accounts").get_models()
        for constraint in model._meta.constraints
    }

    assert declared == BROKEN.keys()


@pytest.mark.parametrize("name", BROKEN)
def test_a_constraint_refuses_the_row(name):
    with pytest.raises(IntegrityError), transaction.atomic():
        BROKEN[name]()


def test_the_address_of_a_deleted_user_can_be_used_again():
    UserFactory(email="ann@example.com").soft_delete()
    UserFactory(email="ann@example.com").soft_delete()

    assert UserFactory(email="ann@example.com").pk


def test_a_deleted_user_whose_address_is_taken_cannot_be_restored():
    gone = UserFactory(email="ann@example.com")
    gone.soft_delete()
    UserFactory(email="ann@example.com")

    with pytest.raises(IntegrityError), transaction.atomic():
        gone.restore()


@pytest.mark.parametrize(
    ("factory", "column"),
    [
        *((UserFactory, column) for column in ("email", "name", "role", "password", "created_at", "version")),
        *((SessionFactory, column) for column in ("user_id", "refresh_hash", "created_at", "expires_at")),
        *(
            (OneTimeTokenFactory, column)
            for column in ("user_id", "purpose", "email", "token_hash", "expires_at")
        ),
    ],
)
def test_required_columns_are_not_null(factory, column):
    row = factory()

    with pytest.raises(IntegrityError), transaction.atomic():
        type(row).objects.filter(pk=row.pk).update(**{column: None})


def test_the_hash_of_a_token_is_unique():
    with pytest.raises(IntegrityError), transaction.atomic():
        OneTimeTokenFactory.create_batch(2, token_hash="0" * 64)


def test_an_address_has_one_lockout():
    Lockout.objects.create(address_hash="0" * 64)

    with pytest.raises(IntegrityError), transaction.atomic():
        Lockout.objects.create(address_hash="0" * 64)


@pytest.mark.parametrize("factory", [SessionFactory, OneTimeTokenFactory])
def test_rows_need_an_existing_user(factory):
    row = factory()

    def commit():
        type(row).objects.filter(pk=row.pk).update(user_id=uuid.uuid4())
        connection.check_constraints()

    with pytest.raises(IntegrityError), transaction.atomic():
        commit()


def test_deleting_a_user_deletes_their_rows():
    user = UserFactory()
    SessionFactory(user=user)
    OneTimeTokenFactory(user=user)

    user.delete()

    assert not any(model.objects.exists() for model in (Session, OneTimeToken))


# --- users ---------------------------------------------------------------------------------------


def test_create_user_stores_the_canonical_address_and_a_hash():
    user = User.objects.create_user(" Ann@Example.COM ", "Ann Able", PASSWORD)

    user.refresh_from_db()
    assert (user.email, user.name, user.role) == ("ann@example.com", "Ann Able", "user")
    assert user.check_password(PASSWORD)
    assert PASSWORD not in user.password


def test_create_user_refuses_an_invalid_address():
    with pytest.raises(ValidationError):
        User.objects.create_user("ann", "Ann Able", PASSWORD)


def test_create_superuser_creates_a_verified_admin():
    user = User.objects.create_superuser("ann@example.com", "Ann Able", PASSWORD)

    assert (user.role, user.is_staff, user.is_superuser, user.email_verified) == ("admin", True, True, True)


def test_the_natural_key_finds_users_that_are_not_deleted():
    UserFactory(email="ann@example.com").soft_delete()
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key("ann@example.com")

    user = UserFactory(email="ann@example.com")
    assert User.objects.get_by_natural_key("ann@example.com") == user


@pytest.mark.parametrize(
    ("role", "is_staff", "is_superuser"),
    [("user", False, False), ("staff", True, False), ("admin", True, True)],
)
def test_the_flags_follow_from_the_role(role, is_staff, is_superuser):
    user = UserFactory(role=role)

    assert (user.is_staff, user.is_superuser) == (is_staff, is_superuser)
    assert user.has_perm("accounts.delete_user") is is_superuser


def test_roles_outrank_lower_roles():
    ranks = {role: UserFactory(role=role) for role in ("user", "staff", "admin")}
    above = {(one, other) for one in ranks for other in ranks if ranks[one].outranks(ranks[other])}

    assert above == {("staff", "user"), ("admin", "user"), ("admin", "staff"), ("admin", "admin")}


def test_a_deleted_user_is_not_active():
    user = UserFactory()
    assert user.is_active

    user.soft_delete()
    assert not user.is_active


def test_users_see_themselves_and_admins_see_all_users():
    user, other, admin = UserFactory(), UserFactory(), UserFactory(role="admin")

    assert set(User.objects.visible_to(user)) == {user}
    assert set(User.objects.visible_to(admin)) == {user, other, admin}


def test_clean_canonicalises_the_address():
    user = User(email="Ann@Example.COM", name="Ann Able")
    user.clean()

    assert user.email == "ann@example.com"


def test_with_email_finds_users_that_are_not_deleted():
    user = UserFactory(email="ann@example.com")
    UserFactory(email="bob@example.com").soft_delete()

    assert list(User.objects.with_email("ann@example.com")) == [user]
    assert not User.objects.with_email("bob@example.com").exists()


def test_str():
    user = UserFactory(email="ann@example.com")
    since = datetime(2026, 3, 1, tzinfo=UTC)

    assert str(user) == "ann@example.com"
    assert (
        str(SessionFactory(user=user, user_agent="Firefox", created_at=since)) == "Firefox since 2026-03-01"
    )
    assert (
        str(SessionFactory(user=user, user_agent="", created_at=since)) == "unknown device since 2026-03-01"
    )
    assert str(OneTimeTokenFactory(user=user)) == "password_reset for ann@example.com"
    assert str(Lockout(failed_at=[1.0, 2.0])) == "2 failures"


# --- sessions, tokens, locks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ended", "left", "live"),
    [(False, 1, True), (False, 0, False), (False, -1, False), (True, 1, False), (True, -1, False)],
)
def test_a_session_is_live_until_it_ends_or_expires(clock, ended, left, live):
    now = timezone.now()
    session = SessionFactory(expires_at=now + timedelta(seconds=left), ended_at=now if ended else None)

    assert session.is_live is live
    assert Session.objects.live().exists() is live


def test_a_session_ends_once(clock):
    session = SessionFactory()
    assert Session.objects.all().end("logout") == 1
    ended_at = timezone.now()
    clock.shift(60)

    assert Session.objects.all().end("token_reused") == 0
    session.refresh_from_db()
    assert (session.ended_at, session.end_reason) == (ended_at, "logout")


def test_a_token_can_be_claimed_once():
    token = OneTimeTokenFactory()

    assert (token.claim(), token.claim(), OneTimeToken.objects.get().claim()) == (True, False, False)


def test_an_expired_token_cannot_be_claimed(clock):
    token = OneTimeTokenFactory(expires_at=timezone.now() + timedelta(seconds=1))
    clock.shift(1)

    assert not token.claim()


@pytest.mark.parametrize(("left", "seconds"), [(900, 900), (0.1, 1), (0, 0), (-5, 0)])
def test_the_seconds_of_a_lock_are_rounded_up(clock, left, seconds):
    assert Lockout(locked_until=timezone.now() + timedelta(seconds=left)).seconds_left == seconds


def test_an_expired_lock_has_no_seconds_left():
    assert Lockout().seconds_left == 0
