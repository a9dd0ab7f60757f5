from typing import Any

from django.db.models import F

from accounts.api_keys.models import ApiKey
from core.db.anonymization import empties
from core.db.privacy import exports

empties(ApiKey)


@exports("apiKeys", ApiKey)
def api_keys(user: Any) -> Any:
    columns = {
        "createdAt": F("created_at"),
        "expiresAt": F("expires_at"),
        "lastUsedAt": F("last_used_at"),
        "revokedAt": F("revoked_at"),
        "revokeReason": F("revoke_reason"),
    }
    return list(user.api_keys.order_by("id").values("id", "name", "prefix", "scopes", **columns))
