"""Which rows a viewset reads and writes, from the `access` of its model (core/db/access.py)."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import PermissionDenied

from core.api.overrides import override_of
from core.api.read_eligibility import is_configured, refusal_of
from core.db.access import Reach, access_of, check_writable, is_declared, refuse_unwritable
from core.db.owner_versions import is_watched
from core.web.errors import FieldError

SAVING_HOOKS = frozenset({"perform_create", "perform_update"})


class RowAccess:
    """The part of BaseViewSet that decides which rows it is about."""

    queryset: Any
    request: Any
    action: Any
    get_serializer_class: Callable[[], Any]

    def get_queryset(self) -> QuerySet[Any]:
        """The rows that the caller may read."""
        return self.queryset.all().visible_to(self.request.user).alive()

    def listed(self) -> QuerySet[Any]:
        """The rows of the list without a filter: the caller's own and public ones, with `scope=all` everybody's."""
        everybodys = self.wants_all()
        if type(self).get_queryset is RowAccess.get_queryset:
            return self.queryset.all().listed_for(self.request.user, everybodys=everybodys).alive()
        rows: Any = self.get_queryset()
        return (
            rows
            if everybodys or not self.has_scope()
            else rows.listed_for(self.request.user, everybodys=False)
        )

    @classmethod
    def has_scope(cls) -> bool:
        """Whether the list has the parameter `scope`: for a role that may read more rows than it lists."""
        rows: Any = getattr(cls, "queryset", None)
        access = getattr(rows.model, "access", None) if rows is not None else None
        if access is None or access.owner == "pk" or not is_declared(type(rows)):
            return False
        return bool(access.has_scope(rows.model))

    def wants_all(self) -> bool:
        """Raises FieldError for another scope, PermissionDenied for a role that may not read all rows."""
        scope = self.request.query_params.get("scope") if self.has_scope() else None
        if scope not in {None, "all"}:
            raise FieldError("scope", "invalid", "The only scope is all.")
        if scope == "all" and not any(self.role_reach()):
            raise PermissionDenied
        return scope == "all"

    def may_forbid(self) -> bool:
        """Return whether a role may be refused with 403: by `scope`, or for rows that it may read, but not write."""
        other: bool = super().may_forbid()  # type: ignore[misc]
        model = getattr(self, "parents", self.queryset).model
        access = getattr(model, "access", None)
        if other or access is None or self.request is None:
            return other
        if self.request.method == "GET":
            return self.action == "list" and self.has_scope()
        return not access.reads_as_written(model) or not access.owner or "__" in access.owner

    def role_reach(self) -> Reach:
        model = self.queryset.model
        return access_of(model).reach(model, self.request.user)

    def reach(self) -> tuple[Reach, bool]:
        """What besides the caller's id decides which rows a read shows: what the role covers, and the scope."""
        return self.role_reach(), self.wants_all()

    def shows_own_rows_only(self) -> bool:
        """Whether a read without `scope` shows nothing but rows that give the caller a new version when they change."""
        access = getattr(self.queryset.model, "access", None)
        if access is None or not access.is_by_owner_only or is_configured(self):
            return False
        if not is_watched(self.queryset.model):
            return False
        view_class: Any = type(self)
        return refusal_of(view_class, self.get_serializer_class()) is None

    def check_writable(self, *instances: Any) -> None:
        """Raises PermissionDenied for a row that the caller may read, but not write. Call it with the rows locked."""
        check_writable(self.queryset.model, self.request.user, instances)

    def owner_of_new(self, serializer: Any) -> dict[str, Any]:
        access = getattr(self.queryset.model, "access", None)
        own = access is not None and access.owner_field(self.queryset.model)
        return {own: self.request.user} if own and own not in serializer.validated_data else {}

    def check_path(self, serializer: Any, instance: Any) -> None:
        """Refuse a row as it is written now, where the body or code of a subclass may have moved it to somebody else.

        Raises PermissionDenied, which undoes the transaction.
        """
        access = getattr(self.queryset.model, "access", None)
        if access is None:
            return
        moved = access.paths & serializer.validated_data.keys()
        if moved or not access.is_by_owner_only or override_of(type(self), among=SAVING_HOOKS):
            refuse_unwritable(self.queryset.model, self.request.user, [instance])
