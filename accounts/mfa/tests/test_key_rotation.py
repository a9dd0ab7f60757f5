"""`manage.py reencrypt`, and a restored backup, with secrets of authenticator apps."""

import pytest
from django.core.management import CommandError, call_command

from accounts.mfa.models import RecoveryCode, TotpDevice
from accounts.mfa.tests.test_login import enter
from core.backups.settlement import settle

pytestmark = pytest.mark.django_db

NEW = "n" * 60


def test_after_the_command_the_old_key_is_not_needed(phone, settings):
    old, settings.ENCRYPTION_KEYS = settings.SECRET_KEY, [NEW]
    call_command("reencrypt", verbosity=0)
    settings.SECRET_KEY, settings.JWT_SIGNING_KEY = "s" * 60, old

    assert enter(phone, phone.code(1)).status_code == 200


def test_a_secret_under_an_unknown_key_is_reported_and_not_touched(phone, settings):
    before = TotpDevice.objects.get().encrypted_secret
    settings.SECRET_KEY = NEW

    with pytest.raises(CommandError, match="1 secrets are under an unknown key"):
        call_command("reencrypt")
    assert TotpDevice.objects.get().encrypted_secret == before


def test_a_restored_backup_brings_back_no_recovery_code(phone):
    RecoveryCode.objects.filter(pk=RecoveryCode.objects.first().pk).update(used_at=phone.user.created_at)
    settle("test", keeps_mail=False)

    assert not RecoveryCode.objects.unused().exists()
    assert enter(phone, phone.code(1)).status_code == 200
