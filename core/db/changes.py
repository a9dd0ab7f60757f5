"""The change feed: the changes of the objects of one user, in the order of the commits.

Triggers (core/db/change_triggers.py) write the latest change of each object into `changes`: its position in the order
of the owner's commits, and since when the object is gone, if it is. A client has a cursor with the place up to which it
has read; the rows after that place are the changes that it does not have yet, one for each object. The row of an object
that is gone is deleted a day after the trash's window, in which a client may come back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import ForeignKey, Func, OuterRef, QuerySet, Subquery, TextField

from core.db.base import EPOCH, BaseModel
from core.db.models import Change, OwnerVersion
from core.db.owner_versions import fields_of, is_watched, path_to_owner

# A row is kept for longer than any cursor is good for: by the time between a change and its commit, and by what the
# clocks of the database and of the application differ.
MARGIN = timedelta(days=1)


@dataclass(frozen=True)
class Present:
    """State of the feed of an owner. `lineage` is another one after a restore."""

    position: int = 0
    lineage: str = ""


def refusal_of_feed(model: Any) -> str | None:
    """Return the reason why the model can have no feed, or None. A row must not come to a user, or leave a user,
    without a change of the row itself."""
    if not issubclass(model, BaseModel):
        return "it is no BaseModel"
    access = getattr(model, "access", None)
    if access is None or not access.is_by_owner_only:
        return "its `access` is not by a foreign key to the owner alone"
    if [type(field) for field in fields_of(model, path_to_owner(model))] != [ForeignKey]:
        return "its owner is no foreign key of the row"
    if model._meta.proxy or not model._meta.managed:
        return "it is a proxy, or not managed by migrations"
    if model._meta.parents:
        return "its rows are in two tables"
    return None if is_watched(model) else "it has `moves_owner_version = False`"


def keeps_changes(model: Any) -> bool:
    """Return whether triggers record the changes of the model."""
    return issubclass(model, BaseModel) and model.keeps_changes and refusal_of_feed(model) is None


def window_of(model: Any) -> timedelta:
    """Return how long a client may stay away."""
    window: timedelta = model.trash_retention or settings.TRASH_RETENTION
    return window


def present_of(owner_id: UUID) -> Present:
    rows = OwnerVersion.objects.filter(pk=owner_id)
    if connection.vendor != "postgresql":
        row = rows.values_list("position", "epoch").first()
        return Present(row[0], row[1].hex) if row else Present()
    lineage = Func(function="change_lineage", output_field=TextField())
    known = rows.annotate(lineage=lineage).values_list("position", "epoch", "lineage").first()
    return Present(known[0], f"{known[1].hex}-{known[2]}") if known else Present()


def changes_of(owner_id: UUID, model: Any) -> QuerySet[Change]:
    return Change.objects.filter(owner=owner_id, source=model._meta.db_table)


def position_in_feed(owner_id: UUID, model: Any) -> Subquery:
    """Return the annotation of an object with the position of its latest change."""
    return Subquery(changes_of(owner_id, model).filter(object_id=OuterRef("pk")).values("position"))


def time_of(position: int) -> datetime:
    return EPOCH + timedelta(microseconds=position)


def expired(model: Any, now: datetime) -> QuerySet[Change]:
    """Return the rows of objects that are gone which no cursor leads to any more."""
    limit = (now - window_of(model) - MARGIN - EPOCH) // timedelta(microseconds=1)
    return Change.objects.filter(source=model._meta.db_table, deleted_at__isnull=False, position__lt=limit)
