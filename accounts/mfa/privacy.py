"""Personal data of second factors, for the export and for `anonymize`. Neither has a secret."""

from typing import Any

from django.db.models import F

from accounts.mfa.models import Passkey, RecoveryCode, TotpDevice, WebauthnChallenge
from accounts.models import User
from core.db.anonymization import empties, replaces
from core.db.privacy import exports

empties(TotpDevice, RecoveryCode, Passkey, WebauthnChallenge)
# Nobody has the secrets of a copy, so nobody needs one to log in there.
replaces(User, mfa_enabled=lambda _number, _value: False)

TIMES = {"createdAt": F("created_at")}


@exports("authenticatorApps", TotpDevice)
def authenticator_apps(user: User) -> Any:
    times = {**TIMES, "confirmedAt": F("confirmed_at"), "lastUsedAt": F("last_used_at")}
    return list(TotpDevice.objects.filter(user=user).values("id", **times))


@exports("passkeys", Passkey)
def passkeys(user: User) -> Any:
    rows = Passkey.objects.filter(user=user).order_by("id")
    return list(rows.values("id", "name", **TIMES, lastUsedAt=F("last_used_at")))


@exports("recoveryCodes", RecoveryCode)
def recovery_codes(user: User) -> Any:
    return list(RecoveryCode.objects.filter(user=user).order_by("id").values(**TIMES, usedAt=F("used_at")))
