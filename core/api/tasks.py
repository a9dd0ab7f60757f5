"""The purge of stored responses."""

from typing import Any

from django.utils import timezone

from core.api.idempotency import LIFETIME
from core.api.models import StoredResponse
from core.db.retention import purges_expired


@purges_expired("stored responses")
def expired_responses() -> Any:
    return StoredResponse.objects.filter(created_at__lt=timezone.now() - LIFETIME)
