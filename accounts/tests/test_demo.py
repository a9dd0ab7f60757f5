"""The demo data, whose passwords are public."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User

pytestmark = pytest.mark.django_db


def test_no_account_exists_after_the_migrations_and_demo_data_is_refused_in_production(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG is off"):
        call_command("demo")

    assert not User.objects.exists()


def test_in_development_the_demo_accounts_are_loaded_once(settings, capsys):
    settings.DEBUG = True
    call_command("demo")
    call_command("demo")

    assert capsys.readouterr().out.count("Loaded demo data") == 1
    assert set(User.objects.values_list("role", flat=True)) == {"admin", "user"}
