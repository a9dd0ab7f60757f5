"""Notices about second factors: to the address that the account had at the event."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from accounts.emails import notify, sample_notice
from core.outbox import mail
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage

NAMES = {"totp": _("an authenticator app"), "passkey": _("a passkey"), "all": _("every second factor")}


@outbox.handles("accounts.second_factor_added")
@outbox.handles("accounts.second_factor_removed")
def send_factor_notice(message: OutboxMessage) -> None:
    factor = NAMES[message.payload["factor"]]
    notify(message, message.kind.removeprefix("accounts."), factor=factor)


@outbox.handles("accounts.recovery_codes_renewed")
def send_recovery_codes_renewed(message: OutboxMessage) -> None:
    notify(message, "recovery_codes_renewed")


@outbox.handles("accounts.recovery_code_used")
def send_recovery_code_used(message: OutboxMessage) -> None:
    notify(message, "recovery_code_used", left=message.payload["left"])


def samples() -> dict[str, dict[str, Any]]:
    return {
        "second_factor_added": sample_notice(factor=NAMES["totp"]),
        "second_factor_removed": sample_notice(factor=NAMES["totp"]),
        "recovery_codes_renewed": sample_notice(),
        "recovery_code_used": sample_notice(left=9),
    }


mail.previews.append(samples)
