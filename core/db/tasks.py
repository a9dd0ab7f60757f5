"""The purge of change feeds."""

from typing import Any

from django.apps import apps
from django.utils import timezone

from core.db.changes import expired, keeps_changes
from core.db.retention import purges_expired


@purges_expired("changes")
def expired_changes() -> list[Any]:
    """Return for each model the changes whose objects are gone, and to which no cursor leads any more."""
    now = timezone.now()
    return [expired(model, now) for model in apps.get_models() if keeps_changes(model)]
