"""Erasure of the personal data of users who were deleted TRASH_RETENTION ago (GDPR, article 17).

The rows of a user are deleted by their foreign keys. Rows that only mention the user are listed here. The audit log
retains every event, under a pseudonym.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session as BrowserSession
from django.db import transaction
from django.db.models import CASCADE
from django.utils import timezone

from accounts.models import User, UserQuerySet
from accounts.services.lockout import clear_failures
from accounts.services.recovery import lock_user, refuse_outranked
from core.audit import services as audit
from core.files import services as files
from core.files.models import StoredFile
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage

KIND = "accounts.erasure"
BATCH = 100
BATCH_ROWS = 1_000


def expired_accounts() -> UserQuerySet:
    """Return the users whose erasure is due."""
    return User.objects.trashed().filter(deleted_at__lt=timezone.now() - settings.TRASH_RETENTION)


def erase_batch(due: UserQuerySet) -> int:
    """Erase one batch of these users, and return their number."""
    users = list(due[:BATCH])
    for user in users:
        erase(user=user)
    return len(users)


def request_erasure(*, user: User, actor: User) -> bool:
    """Let a worker erase a deleted user now, as staff: a hundred thousand rows take half a minute. Return False for an
    account that is not deleted. Raise ApiError for a user of a higher role."""
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        if user.deleted_at is None:
            return False
        # Under other names than those by which an erasure deletes the messages about a person.
        outbox.enqueue(KIND, {"account": str(user.pk), "actor": str(actor.pk)})
        audit.record("user.erasure_requested", actor_id=actor.pk, target=user)
    return True


@outbox.handles(KIND)
def erase_requested(message: OutboxMessage) -> None:
    """Erase the user of the message, which then names nobody."""
    user = User.objects.filter(pk=message.payload.get("account")).first()
    if user is not None:
        erase(user=user, actor_id=UUID(message.payload["actor"]))
    OutboxMessage.objects.filter(pk=message.pk).update(payload={})


def erase(*, user: User, actor_id: UUID | None = None) -> None:
    """Erase a deleted user, unless the deletion has been undone since `user` was read. The actor is the member of staff
    who has requested it."""
    with transaction.atomic():
        if not User.objects.trashed().select_for_update().filter(pk=user.pk):
            return
        audit.record("user.erased", actor_id=actor_id, target=user)
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
        erase_owned(user)
        user.delete()


def erase_owned(user: User) -> None:
    """Delete the rows that would be deleted with the user, in batches: one statement for a hundred thousand rows takes
    longer than a statement may."""
    for relation in user._meta.related_objects:
        if relation.on_delete is not CASCADE:
            continue
        rows = relation.related_model._base_manager.filter(**{relation.field.name: user}).order_by("pk")
        while keys := list(rows.values_list("pk", flat=True)[:BATCH_ROWS]):
            relation.related_model._base_manager.filter(pk__in=keys).delete()


def expired_browser_sessions() -> Any:
    """Return the expired sessions of the admin. Only their signed data names the user, so no foreign key deletes
    them."""
    return BrowserSession.objects.filter(expire_date__lt=timezone.now())
