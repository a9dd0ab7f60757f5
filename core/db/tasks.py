"""The purge of change feeds."""

from django.apps import apps
from django.utils import timezone

from core.db.changes import expired, keeps_changes
from core.db.retention import delete_batch, purges_expired


@purges_expired("changes")
def purge_changes() -> int:
    """Delete one batch of the changes of each model whose objects are gone, and to which no cursor leads any more."""
    now = timezone.now()
    return sum(delete_batch(expired(model, now)) for model in apps.get_models() if keeps_changes(model))
