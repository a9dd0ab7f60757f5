import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.tests.factories import PASSWORD, UserFactory
from core.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def create(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)

    def run(email):
        call_command("createsuperuser", interactive=False, email=email, name="Root", verbosity=0)

    return run


def test_makes_an_admin_who_can_log_in(create):
    create("Root@Example.com")

    made = User.objects.get(email="root@example.com")
    assert (made.role, made.is_superuser, made.email_verified) == ("admin", True, True)
    assert made.check_password(PASSWORD)


def test_leaves_an_event(create):
    create("root@example.com")

    assert AuditEvent.objects.get(event="user.created").subject_id == User.objects.get().pk


@pytest.mark.parametrize("email", ["no address", "root@example.com"])
def test_a_wrong_or_taken_address_is_one_clear_line(create, email):
    UserFactory(email="root@example.com")

    with pytest.raises(CommandError, match="email"):
        create(email)
    assert User.objects.count() == 1
