"""The change feed of the caller's objects, for clients that work offline (core/db/changes.py)."""

from dataclasses import astuple, dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.db.models import BigIntegerField, F, Q, UUIDField, Value
from django.db.models.lookups import GreaterThan
from django.utils import timezone
from rest_framework.decorators import action
from rest_framework.response import Response

from core.api.cursor import MAX_CURSOR_LENGTH, row_of
from core.api.filters import FilterBackend, SortBackend
from core.api.mixins.changes_schema import FEED_META, changes_page, feed_parameters
from core.api.overrides import override_of
from core.api.pagination import DEFAULT_LIMIT, MAX_LIMIT, read_integer, with_meta
from core.api.read_eligibility import has_condition
from core.api.row_access import has_model, model_of
from core.api.viewsets import BaseViewSet, narrowed
from core.db.changes import (
    Present,
    changes_of,
    position_in_feed,
    present_of,
    refusal_of_feed,
    time_of,
    window_of,
)
from core.db.models import Change
from core.web.errors import ApiError, FieldError

SALT = "core.changes"
ROW_HOOKS = frozenset({"get_queryset", "rows_in_state", "filter_queryset"})


class ChangesViewSet(BaseViewSet):
    """A BaseViewSet with `GET …/changes`: what has changed of the caller's objects, in the order of the commits.

    The model sets `keeps_changes`. The rows belong to one owner, and the view shows all of them: otherwise an object
    could leave the view without a change of its row, and the feed would not report it. The feed has the latest change
    of each object, with the object as it is now.
    """

    documented_errors: ClassVar[dict[str, tuple[str, ...]]] = {"changes": ("GONE",)}
    described_bodies: ClassVar[dict[str, Any]] = {"changes": (None, changes_page)}
    described_parameters: ClassVar[dict[str, Any]] = {"changes": feed_parameters}
    described_meta: ClassVar[dict[str, Any]] = {"changes": (("FeedMeta", FEED_META),)}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        reason = refusal_of_view(cls) if has_model(cls) else None
        if reason is not None:
            raise ImproperlyConfigured(f"{cls.__name__} cannot have a change feed: {reason}.")

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Return the view. Raises ImproperlyConfigured for a route with rows of its own."""
        if own := {"queryset", "filter_backends"} & initkwargs.keys():
            raise ImproperlyConfigured(
                f"{cls.__name__} cannot have a change feed: a route sets `{min(own)}`."
            )
        return super().as_view(*args, **initkwargs)

    def find_known_parameters(self, action: str) -> tuple[frozenset[str], frozenset[str]]:
        if action == "changes":
            return frozenset({"cursor", "limit", "fields"}), frozenset({"fields"})
        return super().find_known_parameters(action)

    @action(detail=False, url_path="changes")
    def changes(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """List what has changed of the caller's objects since the cursor."""
        if not request.user.is_authenticated:
            self.refuse()
        limit = read_integer(request, "limit", DEFAULT_LIMIT, MAX_LIMIT)
        names = self.requested_fields()
        now, present = timezone.now(), present_of(request.user.pk)
        salt = f"{SALT}:{self.model._meta.db_table}:{request.user.pk}"
        place = Place.read(request.query_params.get("cursor", ""), salt) or Place.start(present, now)
        place.check(present, now, self.model)
        entries: list[dict[str, Any]] = []
        is_end = False
        while not entries and not is_end:  # an empty page is the end, for clients
            rows = list(rows_after(place, request.user.pk, self.model)[: limit + 1])
            is_end = len(rows) <= limit
            entries = self.entries(rows[:limit], names)
            place = place.after(rows[:limit], present, now, is_end=is_end)
        return with_meta(entries, {"limit": limit, "nextCursor": place.write(salt)})

    def entries(self, rows: list[Change], names: frozenset[str] | None) -> list[dict[str, Any]]:
        """Return the entries of these changes. An object that was changed again after they were read has no entry here,
        but at its next change, so that the client does not get the new state twice."""
        keys = [row.object_id for row in rows if row.deleted_at is None]
        requested = self.rows_in_state().filter(pk__in=keys).order_by()
        requested = requested.annotate(position_in_feed=position_in_feed(self.request.user.pk, self.model))
        objects = list(requested) if keys else []
        shown = self.get_serializer(objects, many=True).data
        position_of = {row.object_id: row.position for row in rows}
        upserts = {
            item.pk: {"type": "upsert", "object": narrowed(data, names)}
            for item, data in zip(objects, shown, strict=True)
            if item.position_in_feed == position_of[item.pk]
        }
        return [
            upserts[row.object_id]
            if row.deleted_at is None
            else {"type": "delete", "id": row.object_id, "deletedAt": row.deleted_at}
            for row in rows
            if row.deleted_at is not None or row.object_id in upserts
        ]


def refusal_of_view(view_class: Any) -> str | None:
    """Return the reason why the view can have no feed, or None."""
    model = model_of(view_class)
    reason = refusal_of_feed(model)
    if reason is not None:
        return f"of {model.__name__}, {reason}"
    if not model.keeps_changes:
        return f"{model.__name__} does not set `keeps_changes = True`"
    if (hook := override_of(view_class, among=ROW_HOOKS)) is not None:
        return f"{hook} may leave rows out"
    if view_class.queryset is not None and has_condition(view_class.queryset):
        return "its `queryset` has a condition"
    others = set(view_class.filter_backends) - {FilterBackend, SortBackend}
    return f"{min(other.__name__ for other in others)} may leave rows out" if others else None


@dataclass(frozen=True)
class Place:
    """Content of a cursor: the place in the feed up to which a client has read."""

    lineage: str
    position: int = 0
    object_id: str = ""  # the last of those at this position
    # The position of the feed when the client began. It never had an object that was gone by then.
    began_at: int = 0
    # All objects that were gone by this time have been reported. Seconds since 1970.
    complete_until: float = 0

    @classmethod
    def start(cls, present: Present, now: datetime) -> Self:
        return cls(present.lineage, began_at=present.position, complete_until=now.timestamp())

    @classmethod
    def read(cls, cursor: str, salt: str) -> Self | None:
        """Return the place of a cursor, or None for an empty one. Raises FieldError."""
        if not cursor:
            return None
        try:
            if len(cursor) > MAX_CURSOR_LENGTH:
                raise signing.BadSignature
            return cls(*signing.loads(cursor, salt=salt))
        except signing.BadSignature as error:
            raise FieldError("cursor", "invalid", "Not a cursor of this feed.") from error

    def write(self, salt: str) -> str:
        return signing.dumps(astuple(self), salt=salt)

    def check(self, present: Present, now: datetime, model: Any) -> None:
        """Refuse a place from before a restore, and one so old that deletions after it may have been purged. At
        position 0 the client has no object yet. Raises ApiError GONE."""
        other = self.lineage != present.lineage or self.position > present.position
        if (self.position and other) or now.timestamp() - self.complete_until > window_of(
            model
        ).total_seconds():
            raise ApiError("GONE")

    def after(self, rows: list[Change], present: Present, now: datetime, *, is_end: bool) -> Self:
        """Return the place after these rows. At the end of the feed it is complete until now."""
        complete_until = now.timestamp()
        if not is_end:
            complete_until = max(
                self.complete_until, min(complete_until, time_of(rows[-1].position).timestamp())
            )
        place = replace(self, lineage=present.lineage, complete_until=complete_until)
        return replace(place, position=rows[-1].position, object_id=rows[-1].object_id.hex) if rows else place


def rows_after(place: Place, owner_id: UUID, model: Any) -> Any:
    rows = changes_of(owner_id, model).filter(Q(deleted_at=None) | Q(position__gt=place.began_at))
    if place.position:
        last = row_of(
            Value(place.position, output_field=BigIntegerField()),
            Value(UUID(place.object_id), output_field=UUIDField()),
        )
        rows = rows.filter(GreaterThan(row_of(F("position"), F("object_id")), last))
    return rows.order_by("position", "object_id")
