"""`manage.py reencrypt`, and a restored backup, with secrets of authenticator apps."""

import pytest
from django.core.management import CommandError, call_command

from accounts.mfa.models import RecoveryCode, TotpDevice
from accounts.mfa.tests.devices import MFA, start
from accounts.mfa.tests.test_login import enter, failures
from accounts.tests.checks import refusal
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


def test_codes_of_an_unreadable_secret_are_refused_uncounted_and_recovery_codes_work(phone, settings, caplog):
    settings.SECRET_KEY = NEW

    assert refusal(enter(phone, phone.code(1))) == (401, "MFA_INVALID")
    assert failures(phone) == 0
    assert "totp_secret_unreadable" in caplog.text
    assert enter(phone, phone.recovery_codes[0]).status_code == 200


def test_an_unconfirmed_app_of_an_unreadable_secret_is_started_again(owner):
    new = start(owner)
    TotpDevice.objects.update(encrypted_secret="none")

    assert refusal(owner.post(f"{MFA}/totp/confirm", {"code": new.code()})) == (409, "CONFLICT")
    assert start(owner).secret


def test_a_restored_backup_brings_back_no_recovery_code(phone):
    RecoveryCode.objects.filter(pk=RecoveryCode.objects.first().pk).update(used_at=phone.user.created_at)
    settle("test", keeps_mail=False)

    assert not RecoveryCode.objects.unused().exists()
    assert enter(phone, phone.code(1)).status_code == 200
