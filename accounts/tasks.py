"""Deletion of expired rows of accounts, in batches, and what is settled after a restore."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import Lockout, Mailbox, OneTimeToken, Session
from accounts.services.erasure import erase_batch, expired_accounts, expired_browser_sessions
from accounts.services.restores import end_restored_sessions, void_restored_links
from core.backups.settlement import settles_restore
from core.db.retention import purges_expired

TOKEN_RETENTION = timedelta(days=1)

purges_expired("deleted accounts", delete=erase_batch)(expired_accounts)
purges_expired("browser sessions")(expired_browser_sessions)
settles_restore("sessions")(end_restored_sessions)
settles_restore("links")(void_restored_links)


@purges_expired("sessions")
def expired_sessions() -> Any:
    before = timezone.now() - settings.SESSION_RETENTION  # ended ones stay visible to staff for as long
    return Session.objects.filter(Q(expires_at__lt=before) | Q(ended_at__lt=before))


@purges_expired("one-time tokens")
def expired_one_time_tokens() -> Any:
    return OneTimeToken.objects.filter(expires_at__lt=timezone.now() - TOKEN_RETENTION)


@purges_expired("lockouts")
def expired_lockouts() -> Any:
    return Lockout.objects.filter(updated_at__lt=timezone.now() - timedelta(days=1))


@purges_expired("mailboxes")
def expired_mailboxes() -> Any:
    return Mailbox.objects.filter(updated_at__lt=timezone.now() - timedelta(days=1))
