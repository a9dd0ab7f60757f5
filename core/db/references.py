"""References to rows that are deleted for good: a key with SET_NULL, SET_DEFAULT or SET() gets another value."""

from typing import Any

from django.db.models import F, Model
from django.db.models.deletion import Collector
from django.utils import timezone


def renew_referring(rows: Any, *, using: str, base: type[Model]) -> None:
    """Give a new version to the rows of `base` whose foreign keys the deletion of these rows will change, since they
    are shown with another value then. Call it in the transaction of the deletion, before it."""
    collector: Any = Collector(using=using, origin=rows)
    collector.collect(rows)
    for (field, _value), referring in collector.field_updates.items():
        if not issubclass(field.model, base):
            continue
        for each in referring:
            keys = [row.pk for row in each] if isinstance(each, list | set) else each.order_by().values("pk")
            changed = field.model._base_manager.using(using).filter(pk__in=keys)
            changed.update(version=F("version") + 1, updated_at=timezone.now())
