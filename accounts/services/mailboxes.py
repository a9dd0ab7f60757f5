"""The limits of emails to one address in an hour, however many accounts name it.

They cover what anybody can trigger for a foreign address: five emails with a link, and five notices to an address that
is not proven. Verifications take at most four of the five places for links, so that a reset link still has one: an
attacker can cause verifications for any address by pending changes. Notices to a proven address do not count, or an
attacker could use the hour up and so silence the alarm. One row per address and kind is locked while it is counted,
so the limit is exact for parallel workers, and survives Redis. The row is named by a hash and holds no address.
"""

from datetime import timedelta
from enum import StrEnum

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import Mailbox

MAX_PER_HOUR = 5
MAX_PROOFS_PER_HOUR = MAX_PER_HOUR - 1
HOUR = timedelta(hours=1)


class Kind(StrEnum):
    """What is counted apart. The value is the salt of the row's name."""

    LINK = "groundwork.mailbox"
    NOTICE = "groundwork.mailbox.notice"


def address_hash(address: str, kind: Kind) -> str:
    return salted_hmac(kind, address, algorithm="sha256").hexdigest()


def reserve(address: str, kind: Kind, *, limit: int = MAX_PER_HOUR) -> bool:
    """Count one email to `address`; False when the hour has `limit` of them. The caller is in a transaction."""
    now = timezone.now()
    mailbox, _ = Mailbox.objects.select_for_update().get_or_create(address_hash=address_hash(address, kind))
    recent = [at for at in mailbox.mailed_at if at > (now - HOUR).timestamp()]
    if len(recent) >= limit:
        return False
    mailbox.mailed_at = [*recent, now.timestamp()]
    mailbox.save()
    return True


def release(address: str, kind: Kind) -> None:
    """Take the last reservation back: no mail server took the email, and an outage must not use the hour up."""
    with transaction.atomic():
        mailbox = Mailbox.objects.select_for_update().filter(address_hash=address_hash(address, kind)).first()
        if mailbox is not None and mailbox.mailed_at:
            mailbox.mailed_at = mailbox.mailed_at[:-1]
            mailbox.save()
