"""The secrets of webhooks, and the headers of Standard Webhooks (https://www.standardwebhooks.com)."""

import base64
import secrets
from datetime import datetime, timedelta

from standardwebhooks import Webhook as Signer

from core.web.encryption import decrypt, encrypt
from core.webhooks.models import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification has 24 to 64
FORMER_SIGNS_FOR = timedelta(hours=24)  # after a rotation


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def set_secret(webhook: Webhook) -> None:
    """Give the webhook a new secret, to be shown once. The caller saves the row."""
    webhook.shown_secret = new_secret()
    webhook.secret = encrypt(webhook.shown_secret)


def signing_secrets(webhook: Webhook, now: datetime) -> list[str]:
    """Return the secrets that sign now: after a rotation the former one too. Raises UnknownKey."""
    tokens = [webhook.secret]
    if webhook.former_secret and webhook.rotated_at and now < webhook.rotated_at + FORMER_SIGNS_FOR:
        tokens.append(webhook.former_secret)
    return [decrypt(token) for token in tokens]


def signed_headers(webhook: Webhook, key: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of an attempt. Raises UnknownKey."""
    signatures = [Signer(each).sign(key, now, body.decode()) for each in signing_secrets(webhook, now)]
    return {
        "Content-Type": "application/json",
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
