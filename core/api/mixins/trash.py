"""The trash: objects that are soft-deleted can be listed, and restored until they are purged."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.response import Response

from core.api.etags import check_if_match
from core.api.viewsets import BaseViewSet


class TrashViewSet(BaseViewSet):
    """A BaseViewSet with `GET …/trash` and `POST …/{id}/restore`."""

    list_actions: ClassVar[frozenset[str]] = frozenset({"list", "trash"})

    def get_trash(self) -> QuerySet[Any]:
        return self.rows_in_state(deleted=True)

    @action(detail=False, url_path="trash")
    def trash(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """List deleted objects that can still be restored."""
        return self.list_response(self.get_trash)

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
