"""The trash: objects that are soft-deleted can be listed, and restored until they are purged."""

from datetime import UTC
from functools import cache
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from core.api.caller import acting
from core.api.etags import check_if_match
from core.api.viewsets import BaseViewSet, lock

BATCH = 500  # objects in one transaction


class TrashViewSet(BaseViewSet):
    """A BaseViewSet with `GET …/trash`, `DELETE …/trash` and `POST …/{id}/restore`."""

    list_actions: ClassVar[frozenset[str]] = frozenset({"list", "trash"})

    def get_trash(self) -> QuerySet[Any]:
        return self.rows_in_state(deleted=True)

    def get_serializer_class(self) -> Any:
        serializer_class = super().get_serializer_class()
        return in_trash(serializer_class) if self.action == "trash" else serializer_class

    @action(detail=False, url_path="trash")
    def trash(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """List deleted objects that can still be restored."""
        return self.list_response(self.get_trash)

    @trash.mapping.delete
    def empty_trash(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Delete all of the caller's trash for good."""
        listed = acting(self, "trash", "GET")
        while keys := [*listed.get_trash().order_by().values_list("pk", flat=True)[:BATCH]]:
            with transaction.atomic():
                lock(self.model, keys)
                rows = [*listed.get_trash().filter(pk__in=keys)]  # some may have been restored meanwhile
                for row in rows:
                    self.check_object_permissions(request, row)
                self.check_writable(*rows)
                self.model.objects.all().erase([row.pk for row in rows])
                for row in rows:
                    self.record("erased", row)
        return Response(status=204)

    @action(detail=True, methods=["post"], url_path="restore")
    def restore(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """Take it out of the trash."""
        self.deleted = True
        with transaction.atomic():
            instance = self.locked_object()
            check_if_match(request, instance)
            instance.restore()
            self.record("restored", instance)
        return self.respond(instance)


@cache
def in_trash(serializer_class: Any) -> Any:
    """Return a subclass of the serializer that shows since when an object is in the trash, and when it will be deleted
    for good."""
    times = {"deletedAt": "deleted_at", "purgeAt": "purge_at"}
    members: dict[str, Any] = {
        name: serializers.DateTimeField(source=source, read_only=True, default_timezone=UTC)
        for name, source in times.items()
    }
    meta = getattr(serializer_class, "Meta", None)
    if meta is not None and getattr(meta, "fields", serializers.ALL_FIELDS) != serializers.ALL_FIELDS:
        members["Meta"] = type("Meta", (meta,), {"fields": (*meta.fields, *times)})
    return type(f"Deleted{serializer_class.__name__}", (serializer_class,), members)
