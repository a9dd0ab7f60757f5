"""The lock-out: five failures within 15 minutes lock an address for 15 minutes, whether or not it is known.

The truth is one row per address, so it survives Redis and restarts, and counts for every process and every IP.
The row is named by a hash: what attackers guess leaves no addresses behind.
"""

from collections.abc import Iterable
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Lockout, User
from core.audit import services as audit
from core.audit.models import AuditEvent
from core.web import keys, metrics
from core.web.errors import ApiError
from core.web.logs import log_on_commit


class AccountLocked(ApiError):
    code = "ACCOUNT_LOCKED"


def address_hashes(email: str) -> list[str]:
    """Return the names that the row of an address may have: its own first, then those under older keys."""
    return keys.hexdigests("accounts.lockout", email)


def refuse_locked(email: str) -> bool:
    """Whether there are failures to clear. Raises AccountLocked. Nothing is counted, so that tries during a lock do
    not extend it."""
    lockouts = list(Lockout.objects.filter(address_hash__in=address_hashes(email)))
    seconds_left = max((lockout.seconds_left for lockout in lockouts), default=0)
    if seconds_left:
        metrics.logins_total.labels("locked").inc()
        raise AccountLocked(retry_after=seconds_left)
    return any(lockout.failed_at or lockout.locked_until for lockout in lockouts)


def count_failure(email: str, user: User | None) -> None:
    """Count one, and lock at the fifth. Parallel failures wait for the row, so none is lost.

    While SECRET_KEY is being replaced, servers with the one and the other key count in two rows; the sum is what locks.
    """
    now = timezone.now()
    with transaction.atomic():
        lockout, others = locked_rows(address_hashes(email))
        if not any(row.seconds_left for row in (lockout, *others)):
            oldest = (now - settings.LOCKOUT_WINDOW).timestamp()
            # A lock that has run out starts a new count: those failures have had their price.
            over = any(row.locked_until for row in (lockout, *others))
            recent = [] if over else [at for at in lockout.failed_at if at > oldest]
            elsewhere = 0 if over else sum(at > oldest for row in others for at in row.failed_at)
            lockout.failed_at = [*recent, now.timestamp()]
            full = len(lockout.failed_at) + elsewhere >= settings.LOCKOUT_FAILURES
            lockout.locked_until = now + settings.LOCKOUT_DURATION if full else None
            lockout.save()
            audit.record("account.locked" if full else "login.failed", target=user)
            if full:
                seconds = int(settings.LOCKOUT_DURATION.total_seconds())
                log_on_commit("account_locked", userId=str(user.pk) if user else None, seconds=seconds)
    metrics.logins_total.labels("failure").inc()


def locked_rows(hashes: list[str]) -> tuple[Lockout, list[Lockout]]:
    """Lock the row of the first name, made where there is none, and those of the others that there are."""
    found = Lockout.objects.select_for_update().filter(address_hash__in=hashes).order_by("address_hash")
    rows = {row.address_hash: row for row in found}
    own = rows.pop(hashes[0], None)
    if own is None:
        own, _ = Lockout.objects.select_for_update().get_or_create(address_hash=hashes[0])
    return own, list(rows.values())


def clear_failures(email: str) -> None:
    """Emptied and not deleted: a failure that is being counted holds the row."""
    Lockout.objects.filter(address_hash__in=address_hashes(email)).update(
        failed_at=[], locked_until=None, updated_at=timezone.now()
    )


def locks(emails: Iterable[str]) -> dict[str, int]:
    """The seconds left for each of these addresses that is locked, in one query."""
    by_hash = {name: email for email in emails for name in address_hashes(email)}
    found = Lockout.objects.filter(address_hash__in=by_hash, locked_until__gt=timezone.now())
    return {by_hash[lockout.address_hash]: lockout.seconds_left for lockout in found}


def locked_users() -> list[UUID]:
    """Who is locked now. Locks know only hashes of addresses; the audit log knows the people they hit."""
    since = timezone.now() - settings.LOCKOUT_DURATION
    hit = AuditEvent.objects.filter(event="account.locked", created_at__gte=since)
    users = User.objects.alive().filter(pk__in=hit.values("target_id"))
    locked = locks(users.values_list("email", flat=True))
    return list(users.filter(email__in=locked).values_list("pk", flat=True))
