"""What expires in accounts, deleted a batch at a time."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.models import Lockout, Mailbox, OneTimeToken, Session
from accounts.services.erasure import erase_deleted, purge_browser_sessions
from core.jobs.tasks import BATCH, purges_expired

SESSION_RETENTION = timedelta(days=30)  # ended sessions stay visible to staff for as long
TOKEN_RETENTION = timedelta(days=1)

purges_expired("deleted accounts")(erase_deleted)
purges_expired("browser sessions")(purge_browser_sessions)


@purges_expired("sessions")
def purge_sessions() -> int:
    before = timezone.now() - SESSION_RETENTION
    over = Session.objects.filter(Q(expires_at__lt=before) | Q(ended_at__lt=before))
    return Session.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:BATCH])).delete()[0]


@purges_expired("one-time tokens")
def purge_one_time_tokens() -> int:
    over = OneTimeToken.objects.filter(expires_at__lt=timezone.now() - TOKEN_RETENTION)
    return OneTimeToken.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:BATCH])).delete()[0]


@purges_expired("lockouts")
def purge_lockouts() -> int:
    over = Lockout.objects.filter(updated_at__lt=timezone.now() - timedelta(days=1))
    return Lockout.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:BATCH])).delete()[0]


@purges_expired("mailboxes")
def purge_mailboxes() -> int:
    over = Mailbox.objects.filter(updated_at__lt=timezone.now() - timedelta(days=1))
    return Mailbox.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:BATCH])).delete()[0]
