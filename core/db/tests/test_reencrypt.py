"""Rotation of the keys under which secrets are encrypted."""

import pytest
from django.core.management import call_command

from core.db.encrypted_fields import encrypted_fields
from core.web.encryption import UnknownKey, decrypt, encrypt, reencrypt

OLD, NEW = "o" * 60, "n" * 60


def test_a_secret_is_read_under_each_accepted_key_and_no_other(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS, settings.ENCRYPTION_KEYS = OLD, [], []
    secret = encrypt("GEZDGNBV")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert decrypt(secret) == "GEZDGNBV"

    moved = reencrypt(secret)
    settings.SECRET_KEY_FALLBACKS = []
    assert decrypt(moved) == "GEZDGNBV"
    with pytest.raises(UnknownKey):
        decrypt(secret)


def test_own_keys_are_independent_of_the_secret_key(settings):
    settings.ENCRYPTION_KEYS = [OLD]
    secret = encrypt("GEZDGNBV")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, []

    assert decrypt(secret) == "GEZDGNBV"


def test_equal_secrets_have_different_texts():
    assert encrypt("GEZDGNBV") != encrypt("GEZDGNBV")


@pytest.mark.django_db
def test_the_command_rotates_every_column(settings, capsys):
    call_command("reencrypt")

    assert capsys.readouterr().out.count("under the first key") == len(list(encrypted_fields())) > 0


def test_the_columns_are_found():
    assert all(field.model._meta.managed for field in encrypted_fields())
