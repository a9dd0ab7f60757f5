"""The steps after a restore, before the product is started again: nothing from before it may be believed.

| what | how |
|---|---|
| versions of what each user owns | replaced by new ones, so that no list of a client or the cache is believed |
| cursors of change feeds | void: they get 410, and their clients begin again |
| emails and other messages that were pending | dropped, or sent, by choice; the deletion of files always goes on |
| deliveries of webhooks that were pending | dropped, or sent, by the same choice |
| jobs that were running | their leases are released: an export starts over, an import goes on after its last batch |
| responses stored for an `Idempotency-Key` | stay: each is of the transaction of its effect, which is there too |
| the hold of the backup itself | released |
| what apps register: sessions, links and API keys | ended, void, revoked (`tasks.py` of the apps) |
"""

from collections.abc import Callable
from functools import partial

from django.db import connection, transaction
from django.utils import timezone

from core.audit import services as audit
from core.db.change_triggers import change_triggers
from core.db.owner_versions import owner_version_triggers
from core.db.triggers import repair
from core.files.models import DeletionHold
from core.files.services import DELETION
from core.jobs.models import Job
from core.outbox.models import OutboxMessage
from core.web.registry import Registry
from core.webhooks.models import WebhookDelivery

Settle = Callable[[], int]
settles: Registry[Settle] = Registry()
DROPPED = "dropped at the restore of a backup"


def settles_restore(name: str) -> Callable[[Settle], Settle]:
    """Register a function that settles rows of an app after a restore, and returns their number."""
    return partial(settles.register, name)


@transaction.atomic
def settle(name: str, *, keeps_mail: bool) -> dict[str, int]:
    """Settle the database that was restored from the backup of this name. Return the number of rows of each kind."""
    repair(connection, owner_version_triggers(connection), change_triggers(connection))
    DeletionHold.objects.all().delete()
    mail = OutboxMessage.objects.filter(finished_at=None).exclude(kind=DELETION)
    counts = {
        "jobs": Job.objects.filter(finished_at=None).update(attempts=0, lease_id=None, lease_until=None)
    }
    if keeps_mail:
        counts["messages_kept"] = mail.update(lease_id=None, lease_until=None)
    else:
        status = OutboxMessage.Status.FAILED
        counts["messages_dropped"] = mail.update(
            status=status, finished_at=timezone.now(), lease_id=None, lease_until=None, last_error=DROPPED
        )
    counts |= settle_deliveries(keeps_them=keeps_mail)
    counts |= {each: settle_rows() for each, settle_rows in settles.items()}
    audit.record("backup.restored", changes={"backup": [None, name]})
    return counts


def settle_deliveries(*, keeps_them: bool) -> dict[str, int]:
    """Drop the pending deliveries of webhooks, or let them be sent. Return their number by what became of them."""
    pending = WebhookDelivery.objects.filter(finished_at=None)
    if keeps_them:
        return {"webhook_deliveries_kept": pending.update(lease_id=None, lease_until=None)}
    failed = {"status": WebhookDelivery.Status.FAILED, "finished_at": timezone.now(), "last_error": DROPPED}
    return {"webhook_deliveries_dropped": pending.update(lease_id=None, lease_until=None, **failed)}
