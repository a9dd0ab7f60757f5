"""Deletion of secrets that were never confirmed, and what is settled after a restore."""

from typing import Any

from django.utils import timezone

from accounts.mfa.models import RecoveryCode, TotpDevice, WebauthnChallenge
from accounts.mfa.services.factors import CONFIRMATION_LIFETIME
from core.backups.settlement import settles_restore
from core.db.retention import purges_expired


@purges_expired("unconfirmed authenticator apps")
def unconfirmed_devices() -> Any:
    before = timezone.now() - CONFIRMATION_LIFETIME
    return TotpDevice.objects.filter(confirmed_at=None, created_at__lt=before)


@purges_expired("challenges of passkeys")
def expired_challenges() -> Any:
    return WebauthnChallenge.objects.filter(expires_at__lt=timezone.now())


@settles_restore("recovery codes")
def void_restored_recovery_codes() -> int:
    """Delete the unused codes: each may have been used since the backup. Authenticator apps stay, as passwords do."""
    return int(RecoveryCode.objects.unused().delete()[0])
