"""Erasure: a person who was deleted 30 days ago is taken out of the database, everywhere (GDPR, article 17).

Rows that belong to them go with them by their foreign keys; what merely mentions them is listed here. The audit
log keeps every event, under a pseudonym.
"""

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services.lockout import clear_failures
from core.audit import services as audit
from core.files import services as files
from core.files.models import StoredFile
from core.outbox.models import OutboxMessage

BATCH = 100


def erase_deleted() -> int:
    """Erase one batch of those whose time has come, and say how many that were."""
    due = User.objects.trashed().filter(deleted_at__lt=timezone.now() - settings.TRASH_RETENTION)
    users = list(due[:BATCH])
    for user in users:
        erase(user=user)
    return len(users)


def erase(*, user: User) -> None:
    with transaction.atomic():
        audit.record("user.erased", target=user)
        audit.forget(user.pk)
        clear_failures(user.email)
        for address in filter(None, (user.email, user.pending_email)):
            OutboxMessage.objects.filter(payload__email=address).delete()
        OutboxMessage.objects.filter(payload__user=str(user.pk)).delete()
        # The admin's own history names what was edited by its title, which here is the address.
        LogEntry.objects.filter(object_id=str(user.pk)).delete()
        files.schedule_deletion_of(StoredFile.objects.filter(user=user))  # the bytes go after the commit
        user.delete()


def purge_browser_sessions() -> int:
    """Admin log-ins that are over. Their rows name their users only inside signed data."""
    return BrowserSession.objects.filter(expire_date__lt=timezone.now()).delete()[0]
