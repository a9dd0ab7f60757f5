"""The limits of emails to one address in an hour, however many accounts name it.

They cover what anybody can trigger for a foreign address: five emails with a link, and five notices to an address that
is not proven. Verifications take at most four of the five places for links, so that a reset link still has one: an
attacker can cause verifications for any address by pending changes. Notices to a proven address do not count, or an
attacker could use the hour up and so silence the alarm. One row per address and kind is locked while it is counted,
so the limit is exact for parallel workers, and survives Redis. The row is named by a hash and holds no address.

While SECRET_KEY is being replaced, an address has a row under each key; the limits are for their sum.
"""

from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.utils import timezone

from accounts.models import Mailbox
from core.web import keys

MAX_PER_HOUR = 5
MAX_PROOFS_PER_HOUR = MAX_PER_HOUR - 1
HOUR = timedelta(hours=1)


class Kind(StrEnum):
    """What is counted apart. The value is the salt of the row's name."""

    LINK = "accounts.mailbox"
    NOTICE = "accounts.mailbox.notice"


def address_hashes(address: str, kind: Kind) -> list[str]:
    """Return the names that the row of an address may have: its own first, then those under older keys."""
    return keys.hexdigests(kind, address)


def reserve(address: str, kind: Kind, *, limit: int = MAX_PER_HOUR) -> bool:
    """Count one email to `address`; False when the hour has `limit` of them. The caller is in a transaction."""
    now = timezone.now()
    mailbox, others = locked_rows(address_hashes(address, kind))
    since = (now - HOUR).timestamp()
    recent = [at for at in mailbox.mailed_at if at > since]
    elsewhere = sum(at > since for row in others for at in row.mailed_at)
    if len(recent) + elsewhere >= limit:
        return False
    mailbox.mailed_at = [*recent, now.timestamp()]
    mailbox.save()
    return True


def locked_rows(hashes: list[str]) -> tuple[Mailbox, list[Mailbox]]:
    """Lock the row of the first name, made where there is none, and those of the others that there are."""
    found = Mailbox.objects.select_for_update().filter(address_hash__in=hashes).order_by("address_hash")
    rows = {row.address_hash: row for row in found}
    own = rows.pop(hashes[0], None)
    if own is None:
        own, _ = Mailbox.objects.select_for_update().get_or_create(address_hash=hashes[0])
    return own, list(rows.values())


def release(address: str, kind: Kind) -> None:
    """Take the last reservation back: no mail server took the email, and an outage must not use the hour up."""
    with transaction.atomic():
        name, *_others = address_hashes(address, kind)
        mailbox = Mailbox.objects.select_for_update().filter(address_hash=name).first()
        if mailbox is not None and mailbox.mailed_at:
            mailbox.mailed_at = mailbox.mailed_at[:-1]
            mailbox.save()
