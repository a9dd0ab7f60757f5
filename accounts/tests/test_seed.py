"""The demo data, whose passwords are public."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from core.web.demo import DEMO_PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def development(settings):
    settings.DEBUG = True


def test_no_account_exists_after_the_migrations_and_demo_data_is_refused_in_production(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG is off"):
        call_command("seed")

    assert not User.objects.exists()


def test_in_development_the_demo_accounts_are_loaded_once(development, capsys):
    call_command("seed")
    call_command("seed")

    assert capsys.readouterr().out.count("Loaded demo data") == 1
    assert set(User.objects.values_list("role", flat=True)) == {"admin", "user"}


def test_more_users_are_made_with_the_rows_of_each_app_and_those_that_exist_stay(development, capsys):
    call_command("seed", users=2)
    call_command("seed", users=3)
    users = User.objects.filter(email__startswith="user-")

    assert "Loaded 1 more users" in capsys.readouterr().out
    assert {user.email for user in users} == {f"user-{number}@example.com" for number in (1, 2, 3)}
    assert all(user.check_password(DEMO_PASSWORD) for user in users)


@pytest.mark.parametrize("number", [-1, 100_001])
def test_an_impossible_number_of_users_is_refused(development, number):
    with pytest.raises(CommandError, match="--users must be 0 to 100,000"):
        call_command("seed", users=number)

    assert not User.objects.exists()
