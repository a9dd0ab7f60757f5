"""The trash of every model is emptied by itself, without code of the app."""

from typing import Any

import structlog
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import ProtectedError, RestrictedError
from django.utils import timezone

from core.db.base import BaseModel
from core.db.retention import BATCH, purges_expired

log = structlog.get_logger(__name__)


def erase_batch(rows: Any) -> int:
    """Delete one batch of these rows for good. Return how many were deleted, with those that their foreign keys took
    along."""
    model = rows.model
    try:
        with transaction.atomic():
            batch = list(rows.select_for_update().values_list("pk", flat=True)[:BATCH])
            return int(model.objects.all().erase(batch)) if batch else 0
    except (ProtectedError, RestrictedError) as error:
        # The other purges go on. The model needs an `on_delete` for the rows that refer to deleted ones.
        log.error("trash_not_purged", model=model._meta.label, error=str(error.args[0]))
        return 0


@purges_expired("trash", delete=erase_batch)
def expired_trash() -> list[Any]:
    models = [model for model in apps.get_models() if issubclass(model, BaseModel)]
    return [expired_trash_of(model) for model in models if model.keeps_trash]


def expired_trash_of(model: Any) -> Any:
    """Return the rows that have been in the trash for the model's `trash_retention`."""
    retention = model.trash_retention or settings.TRASH_RETENTION
    return model._base_manager.filter(deleted_at__lt=timezone.now() - retention)
