"""Erasure of the personal data of users who were deleted 30 days ago (GDPR, article 17).

The rows of a user are deleted by their foreign keys. Rows that only mention the user are listed here. The audit log
retains every event, under a pseudonym.
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
    """Erase one batch of users that are due, and return their number."""
    due = User.objects.trashed().filter(deleted_at__lt=timezone.now() - settings.TRASH_RETENTION)
    users = list(due[:BATCH])
    for user in users:
        erase(user=user)
    return len(users)


def erase(*, user: User) -> None:
    """Erase a deleted user, unless the deletion has been undone since `user` was read."""
    with transaction.atomic():
        if not User.objects.trashed().select_for_update().filter(pk=user.pk):
            return
        audit.record("user.erased", target=user)
        audit.redact(user.pk)
        clear_failures(user.email)
        for address in filter(None, (user.email, user.pending_email)):
            OutboxMessage.objects.filter(payload__email=address).delete()
        OutboxMessage.objects.filter(payload__user=str(user.pk)).delete()
        # The history of Django's admin stores the title of each edited object. A user's title is the address.
        LogEntry.objects.filter(object_id=str(user.pk)).delete()
        files.schedule_deletion_of(
            StoredFile.objects.filter(user=user)
        )  # the bytes are deleted after the commit
        user.delete()


def purge_browser_sessions() -> int:
    """Delete expired sessions of the admin. Only their signed data names the user, so no foreign key deletes them."""
    return BrowserSession.objects.filter(expire_date__lt=timezone.now()).delete()[0]
