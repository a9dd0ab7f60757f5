from typing import Any

from django.db.models import F

from accounts.oidc.models import AuthorizationRequest, Identity
from core.db.anonymization import empties
from core.db.privacy import exports

empties(Identity, AuthorizationRequest)


@exports("identities", Identity)
def identities(user: Any) -> Any:
    columns = {
        "emailVerified": F("email_verified"),
        "createdAt": F("created_at"),
        "lastUsedAt": F("last_used_at"),
    }
    rows = user.identities.order_by("id")
    return list(rows.values("id", "provider", "issuer", "subject", "email", **columns))
