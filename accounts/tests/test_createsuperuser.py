"""`manage.py createsuperuser`: the same rules and services as registration."""

import os

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.tests.checks import event, log_in_with
from accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

EMAIL = "root@example.com"


@pytest.fixture
def create(monkeypatch):
    def run(email=EMAIL, name="Root", password=PASSWORD):
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", password)
        call_command("createsuperuser", interactive=False, email=email, name=name, verbosity=0)

    return run


def test_creates_an_admin_who_can_log_in(create):
    create("Root@Example.com")

    made = User.objects.get(email=EMAIL)
    assert (made.role, made.is_superuser, made.email_verified) == ("admin", True, True)
    assert log_in_with(EMAIL).status_code == 200


def test_writes_an_audit_event_and_sends_no_email(create, deliver):
    create()

    made = event("user.created")
    assert (made.subject_id, made.actor_id) == (User.objects.get().pk, None)
    assert made.changes == {"role": [None, "admin"]}
    assert deliver() == []


def test_reads_all_values_from_the_environment(monkeypatch):
    for name, value in {"EMAIL": "ann@bücher.example", "NAME": "Ann", "PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)

    call_command("createsuperuser", interactive=False, verbosity=0)

    assert User.objects.get().email == "ann@xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        *(
            ("email", text)
            for text in ("no address", EMAIL, EMAIL.upper(), "e" + "\u0301" * 40 + "@example.com")
        ),
        *(("name", text) for text in ("", "R", "Root\u202e", "x" * 101, "e" + "\u0301" * 40)),
        *(
            ("password", text)
            for text in ("short", "no-digit-Here", "Root@example.com1", "A1" + "\u0301" * 40)
        ),
    ],
    ids=ascii,
)
def test_an_invalid_value_is_an_error_of_one_line_that_names_the_field(create, field, wrong):
    UserFactory(email=EMAIL)
    values = {"email": "new@example.com", field: wrong}

    with pytest.raises(CommandError, match=rf"^{field}: [^\n]+$"):
        create(**values)
    assert User.objects.count() == 1


@pytest.mark.parametrize("missing", ["EMAIL", "NAME", "PASSWORD"])
def test_a_missing_value_is_named_with_its_variable(monkeypatch, missing):
    for name, value in {"EMAIL": EMAIL, "NAME": "Root", "PASSWORD": PASSWORD}.items():
        if name == missing:
            monkeypatch.delenv(f"DJANGO_SUPERUSER_{name}", raising=False)
        else:
            monkeypatch.setenv(f"DJANGO_SUPERUSER_{name}", value)

    with pytest.raises(CommandError, match=f"set DJANGO_SUPERUSER_{missing}"):
        call_command("createsuperuser", interactive=False)


@pytest.mark.parametrize("name", ["EMAIL", "NAME", "PASSWORD"])
def test_a_variable_that_is_not_utf8_is_named(monkeypatch, name):
    for other, value in {"EMAIL": EMAIL, "NAME": "Root", "PASSWORD": PASSWORD}.items():
        monkeypatch.setenv(f"DJANGO_SUPERUSER_{other}", value)
    monkeypatch.setitem(os.environb, f"DJANGO_SUPERUSER_{name}".encode(), b"P\xe4ssword-n0w")

    with pytest.raises(CommandError, match=f"^DJANGO_SUPERUSER_{name}: this is not valid UTF-8"):
        call_command("createsuperuser", interactive=False)
    assert not User.objects.exists()


@pytest.mark.parametrize("option", ["email", "name"])
def test_an_option_that_is_not_utf8_is_named(create, option):
    with pytest.raises(CommandError, match=f"^{option}: this is not valid UTF-8"):
        create(**{option: "r\udce4t@example.com"})


def test_the_password_is_normalised(create):
    create(password="A\u030angstro\u0308m-n0w")

    assert log_in_with(EMAIL, "Ångström-n0w").status_code == 200


def test_an_address_that_was_deleted_can_be_used_again(create):
    UserFactory(email=EMAIL).soft_delete()

    create()

    assert log_in_with(EMAIL).status_code == 200


def test_a_lock_of_the_address_is_removed(create):
    for _ in range(5):
        log_in_with(EMAIL, "Wr0ng-guess")
    assert log_in_with(EMAIL).status_code == 423

    create()

    assert log_in_with(EMAIL).status_code == 200


def test_without_a_terminal_it_fails_with_the_reason(monkeypatch):
    with pytest.raises(CommandError, match="not a terminal"):
        call_command("createsuperuser")


def test_create_superuser_of_the_manager_makes_the_same_hash():
    """Call `create_superuser`, which Django documents for scripts."""
    User.objects.create_superuser(EMAIL, "Root", "A\u030angstro\u0308m-n0w")

    response = log_in_with(EMAIL, "Ångström-n0w")
    assert response.status_code == 200
