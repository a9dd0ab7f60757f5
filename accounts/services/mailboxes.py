"""The limits of emails to one address in an hour, over all accounts.

They cover the emails that anybody can trigger for any address: five emails with a link, and five notices to an
unverified address. Verifications are at most four of the five links, because an attacker can trigger them by pending
changes: one place is always left for a reset link. Notices to a verified address are not counted, because an attacker
could otherwise use up the limit and suppress a warning. The row of an address and kind is locked for the count. So the
limit is exact for parallel workers and does not depend on Redis. The primary key is a hash, so no address is stored.

During a rotation of SECRET_KEY an address has a row under each key. The limits are for their sum.
"""

from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.utils import timezone

from accounts.models import Mailbox
from core.web import keys

MAX_PER_HOUR = 5
MAX_VERIFICATIONS_PER_HOUR = MAX_PER_HOUR - 1
HOUR = timedelta(hours=1)


class Kind(StrEnum):
    """The kinds of emails with a count of their own. The value is the salt of the hash."""

    LINK = "accounts.mailbox"
    NOTICE = "accounts.mailbox.notice"


def address_hashes(address: str, kind: Kind) -> list[str]:
    """Return the primary keys of an address: that of the current SECRET_KEY first, then those of older keys."""
    return keys.hexdigests(kind, address)


def reserve(address: str, kind: Kind, *, limit: int = MAX_PER_HOUR) -> bool:
    """Count an email to `address`. Return False if the hour has `limit` of them. The caller is in a transaction."""
    now = timezone.now()
    mailbox, others = Mailbox.objects.locked(address_hashes(address, kind))
    since = (now - HOUR).timestamp()
    recent = [at for at in mailbox.sent_at if at > since]
    elsewhere = sum(at > since for row in others for at in row.sent_at)
    if len(recent) + elsewhere >= limit:
        return False
    mailbox.sent_at = [*recent, now.timestamp()]
    mailbox.save()
    return True


def release(address: str, kind: Kind) -> None:
    """Cancel the last reservation. The mail server refused the email, and an outage must not use up the limit."""
    with transaction.atomic():
        name, *_others = address_hashes(address, kind)
        mailbox = Mailbox.objects.select_for_update().filter(address_hash=name).first()
        if mailbox is not None and mailbox.sent_at:
            mailbox.sent_at = mailbox.sent_at[:-1]
            mailbox.save()
