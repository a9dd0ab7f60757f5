"""Deletion of expired rows of accounts, in batches, and what is settled after a restore."""

from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import Lockout, Mailbox, OneTimeToken, Session
from accounts.services.erasure import erase_deleted, purge_browser_sessions
from accounts.services.restores import end_restored_sessions, void_restored_links
from core.backups.settlement import settles_restore
from core.db.retention import delete_batch, purges_expired

TOKEN_RETENTION = timedelta(days=1)

purges_expired("deleted accounts")(erase_deleted)
purges_expired("browser sessions")(purge_browser_sessions)
settles_restore("sessions")(end_restored_sessions)
settles_restore("links")(void_restored_links)


@purges_expired("sessions")
def purge_sessions() -> int:
    before = timezone.now() - settings.SESSION_RETENTION  # ended ones stay visible to staff for as long
    return delete_batch(Session.objects.filter(Q(expires_at__lt=before) | Q(ended_at__lt=before)))


@purges_expired("one-time tokens")
def purge_one_time_tokens() -> int:
    return delete_batch(OneTimeToken.objects.filter(expires_at__lt=timezone.now() - TOKEN_RETENTION))


@purges_expired("lockouts")
def purge_lockouts() -> int:
    return delete_batch(Lockout.objects.filter(updated_at__lt=timezone.now() - timedelta(days=1)))


@purges_expired("mailboxes")
def purge_mailboxes() -> int:
    return delete_batch(Mailbox.objects.filter(updated_at__lt=timezone.now() - timedelta(days=1)))
