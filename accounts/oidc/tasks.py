"""The purge of sign-ins, and what recoveries and restores do with identities."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.oidc.models import AuthorizationRequest
from accounts.oidc.services import revoke_foreign, settle_restore
from accounts.services.recovery import revocations
from core.backups.settlement import settles_restore
from core.db.retention import purges_expired

RETENTION = timedelta(hours=1)

revocations.register("identities", revoke_foreign)
settles_restore("identities")(settle_restore)


@purges_expired("authorization requests")
def expired_authorization_requests() -> Any:
    return AuthorizationRequest.objects.filter(expires_at__lt=timezone.now() - RETENTION)
