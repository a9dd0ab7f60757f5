"""The lock-out: five failures within 15 minutes lock an address for 15 minutes, also an unknown address.

The count is one row per address in the database. So it survives restarts, without Redis, and covers every process and
every IP address. The primary key is a hash, so that the guesses of attackers store no addresses.
"""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Lockout, User
from core.audit import services as audit
from core.audit.models import AuditEvent
from core.db.base import key_at
from core.web import keys, metrics
from core.web.errors import ApiError
from core.web.logs import log_on_commit

DAY = timedelta(days=1)


class AccountLocked(ApiError):
    code = "ACCOUNT_LOCKED"


def address_hashes(email: str) -> list[str]:
    """Return the primary keys of an address: that of the current SECRET_KEY first, then those of older keys."""
    return keys.hexdigests("accounts.lockout", email)


def refuse_locked(email: str) -> bool:
    """Raise AccountLocked, or return whether there are failures to clear. An attempt during a lock is not counted, so
    it does not extend the lock."""
    lockouts = list(Lockout.objects.filter(address_hash__in=address_hashes(email)))
    seconds_left = max((lockout.seconds_left for lockout in lockouts), default=0)
    if seconds_left:
        metrics.logins_total.labels("locked").inc()
        raise AccountLocked(retry_after=seconds_left)
    return any(lockout.failed_at or lockout.locked_until for lockout in lockouts)


def count_failure(email: str, user: User | None) -> None:
    """Count a failure, and lock the address at the fifth. Parallel failures wait for the row, so none is lost.

    During a rotation of SECRET_KEY, servers with the old and the new key count in two rows. The limit is for their sum.
    """
    now = timezone.now()
    with transaction.atomic():
        lockout, others = Lockout.objects.locked(address_hashes(email))
        if not any(row.seconds_left for row in (lockout, *others)):
            oldest = (now - settings.LOCKOUT_WINDOW).timestamp()
            # After an expired lock a new count begins.
            expired = any(row.locked_until for row in (lockout, *others))
            recent = [] if expired else [at for at in lockout.failed_at if at > oldest]
            elsewhere = 0 if expired else sum(at > oldest for row in others for at in row.failed_at)
            lockout.failed_at = [*recent, now.timestamp()]
            full = len(lockout.failed_at) + elsewhere >= settings.LOCKOUT_FAILURES
            lockout.locked_until = now + settings.LOCKOUT_DURATION if full else None
            lockout.save()
            audit.record("account.locked" if full else "login.failed", target=user)
            if full:
                seconds = int(settings.LOCKOUT_DURATION.total_seconds())
                log_on_commit("account_locked", userId=str(user.pk) if user else None, seconds=seconds)
    metrics.logins_total.labels("failure").inc()


def clear_failures(email: str) -> None:
    """Reset the rows. They are not deleted, because a parallel failure may hold one."""
    Lockout.objects.filter(address_hash__in=address_hashes(email)).update(
        failed_at=[], locked_until=None, updated_at=timezone.now()
    )


def carry_failures(former: str, address: str) -> None:
    """Count the failures of the former address of an account for its new one too. Else the owner of a stolen session
    could change the address whenever the count is nearly full, and guess on."""
    rows = list(Lockout.objects.filter(address_hash__in=address_hashes(former)))
    failed_at = [at for row in rows for at in row.failed_at]
    if failed_at:
        lockout, _others = Lockout.objects.locked(address_hashes(address))
        lockout.failed_at = sorted([*lockout.failed_at, *failed_at])
        ends = [row.locked_until for row in (lockout, *rows) if row.locked_until]
        lockout.locked_until = max(ends, default=None)
        lockout.save()


def locks(emails: Iterable[str]) -> dict[str, int]:
    """Return the seconds left of each locked address, in one query."""
    by_hash = {name: email for email in emails for name in address_hashes(email)}
    locked = Lockout.objects.filter(address_hash__in=by_hash, locked_until__gt=timezone.now())
    return {by_hash[lockout.address_hash]: lockout.seconds_left for lockout in locked}


def locked_users() -> list[UUID]:
    """Return the ids of the locked users. A lock-out has a hash of the address, its audit event has the user."""
    since = timezone.now() - settings.LOCKOUT_DURATION
    # The keys are for the index; by a clock that is set back they may differ from the times.
    recent = AuditEvent.objects.filter(event="account.locked", pk__gte=key_at(since - DAY))
    events = recent.filter(created_at__gte=since)
    users = User.objects.not_deleted().filter(pk__in=events.values("target_id"))
    locked = locks(users.values_list("email", flat=True))
    return list(users.filter(email__in=locked).values_list("pk", flat=True))
