"""The purge of keys, and what recoveries and restores do with them."""

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.api_keys.models import ApiKey
from accounts.api_keys.services import revoke_all, revoke_restored_keys
from accounts.services.recovery import revocations
from core.backups.settlement import settles_restore
from core.db.retention import purges_expired

revocations.register("api_keys", revoke_all)
settles_restore("api_keys")(revoke_restored_keys)


@purges_expired("api keys")
def expired_keys() -> Any:
    before = timezone.now() - settings.SESSION_RETENTION  # ended ones stay visible to staff for as long
    return ApiKey.objects.filter(Q(expires_at__lt=before) | Q(revoked_at__lt=before))
