"""The limit of emails with a link: five an hour to one address, however many accounts name it.

It covers what anybody can trigger for a foreign address: reset links and verifications. Notices do not count, or an
attacker could use the hour up and so silence the alarm. One row per address is locked while it is counted, so the
limit is exact for parallel workers, and survives Redis. The row is named by a hash and holds no address.
"""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import Mailbox

MAX_PER_HOUR = 5
HOUR = timedelta(hours=1)


def address_hash(address: str) -> str:
    return salted_hmac("groundwork.mailbox", address, algorithm="sha256").hexdigest()


def reserve(address: str) -> bool:
    """Count one email to `address`; False when the hour is full. The caller is in a transaction."""
    now = timezone.now()
    mailbox, _ = Mailbox.objects.select_for_update().get_or_create(address_hash=address_hash(address))
    recent = [at for at in mailbox.mailed_at if at > (now - HOUR).timestamp()]
    if len(recent) >= MAX_PER_HOUR:
        return False
    mailbox.mailed_at = [*recent, now.timestamp()]
    mailbox.save()
    return True


def release(address: str) -> None:
    """Take the last reservation back: no mail server took the email, and an outage must not use the hour up."""
    with transaction.atomic():
        mailbox = Mailbox.objects.select_for_update().filter(address_hash=address_hash(address)).first()
        if mailbox is not None and mailbox.mailed_at:
            mailbox.mailed_at = mailbox.mailed_at[:-1]
            mailbox.save()
