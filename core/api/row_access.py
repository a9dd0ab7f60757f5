"""The rows that a viewset reads and writes, from the `access` of its model (core/db/access.py)."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from rest_framework.exceptions import NotAuthenticated, PermissionDenied

from core.api.overrides import override_of
from core.api.read_eligibility import is_configured, refusal_of_etag
from core.db.access import (
    Reach,
    access_of,
    filterable,
    has_field,
    is_declared,
    is_declared_to_the_top,
    may_write,
    reads_as_written,
)
from core.web.errors import FieldError


def model_of(view_class: Any) -> Any:
    """Return the model of a viewset: of its `queryset`, else of its serializer. Raises ImproperlyConfigured."""
    if getattr(view_class, "queryset", None) is not None:
        return view_class.queryset.model
    model = getattr(getattr(getattr(view_class, "serializer_class", None), "Meta", None), "model", None)
    if model is None:
        raise ImproperlyConfigured(f"{view_class.__name__} needs `queryset`, or a serializer of a model")
    return model


def has_model(view_class: Any) -> bool:
    """Return whether the class is a viewset of a model, and not a base of others."""
    try:
        model_of(view_class)
    except ImproperlyConfigured:
        return False
    return True


class RowAccess:
    """The part of BaseViewSet that decides which rows it is about."""

    queryset: Any = None
    request: Any
    action: Any
    list_actions: ClassVar[frozenset[str]]
    get_serializer_class: Callable[[], Any]
    filter_queryset: Callable[[Any], Any]
    deleted: bool | None = False  # whether the rows and objects are the deleted ones; None: these too

    @property
    def model(self) -> Any:
        try:
            return model_of(type(self))
        except ImproperlyConfigured:
            return self.get_queryset().model

    def get_queryset(self) -> QuerySet[Any]:
        """Return the rows that the caller may read: in a list own and public ones, or with `scope=all` those of all
        users. Rows that a subclass returns are shown as they are, without deleted ones."""
        rows: Any = super().get_queryset()  # type: ignore[misc]
        if self.action in self.list_actions:
            rows = rows.listed_for(self.request.user, everybodys=self.requests_all())
        else:
            rows = rows.visible_to(self.request.user)
        return in_state(rows, self.deleted)

    def rows_in_state(self, deleted: bool | None = False) -> QuerySet[Any]:
        """Return the rows of `get_queryset` that are not deleted, or are deleted. None: both."""
        before, self.deleted = self.deleted, deleted
        try:
            rows = self.get_queryset()
        finally:
            self.deleted = before
        return in_state(rows, deleted) if type(self).get_queryset is not RowAccess.get_queryset else rows

    def object_rows(self) -> QuerySet[Any]:
        """Return the rows among which a single object is looked up. The filter backends apply, as in REST framework."""
        rows: QuerySet[Any] = self.filter_queryset(self.rows_in_state(self.deleted))
        return rows

    @classmethod
    def has_scope(cls) -> bool:
        """Return whether the list has the parameter `scope`: for a role that may read more rows than it lists."""
        access = getattr(cls.queryset.model, "access", None) if cls.queryset is not None else None
        if access is None or access.owner == "pk" or not is_declared(type(cls.queryset.all())):
            return False
        return bool(access.has_scope(cls.queryset.model))

    def requests_all(self) -> bool:
        """Return whether `scope` is `all`. Raises FieldError for another, PermissionDenied for a role without it."""
        scope = self.request.query_params.get("scope")
        if scope is None or not self.has_scope():
            return False
        if scope != "all":
            raise FieldError("scope", "invalid", "The only scope is all.")
        if not any(self.role_reach()):
            self.refuse()
        return True

    def may_forbid(self) -> bool:
        """Return whether a role may be refused with 403: by `scope`, or for rows that it may read, but not write."""
        other: bool = super().may_forbid()  # type: ignore[misc]
        if other or self.request is None:
            return other
        access = getattr(self.model, "access", None)
        if access is None:  # by hand: what `visible_to` shows, `writable_by` may leave out
            return self.request.method != "GET"
        if self.request.method == "GET":
            return self.action == "list" and self.has_scope()
        return not access.reads_as_written(self.model) or not access.owner_field

    def role_reach(self) -> Reach:
        return access_of(self.model).reach(self.model, self.request.user)

    def reach(self) -> tuple[Reach, bool]:
        """Return the reach of the role, and the scope. With the caller's id they decide which rows a read shows."""
        return self.role_reach(), self.requests_all()

    def shows_own_rows_only(self) -> bool:
        """Return whether a read without `scope` shows only rows whose changes renew the version of the caller."""
        if not self.request.user.is_authenticated or is_configured(self):
            return False
        view_class: Any = type(self)
        return refusal_of_etag(view_class, self.get_serializer_class()) is None

    # --- writes -------------------------------------------------------------------------------

    def check_writable(self, *instances: Any) -> None:
        """Refuse rows that the caller may read, but not write. Call it with the rows locked."""
        own_rows = override_of(type(self), among=frozenset({"get_queryset"})) is not None
        declared = is_declared_to_the_top(self.model)
        if ((own_rows and declared) or not reads_as_written(self.model)) and not may_write(
            self.model, self.request.user, instances
        ):
            self.refuse()

    def refuse(self) -> NoReturn:
        """Raise NotAuthenticated or PermissionDenied, as REST framework does where a permission refuses."""
        raise PermissionDenied if self.request.user.is_authenticated else NotAuthenticated

    def owner_of_new(self, values: Collection[str]) -> dict[str, Any]:
        """Return {field: the caller} where the row has an owner that is not among the values."""
        access = getattr(self.model, "access", None)
        if access is None or not access.owner_field or access.owner_field in values:
            return {}
        if not self.request.user.is_authenticated:
            self.refuse()
        return {access.owner_field: self.request.user}

    def check_written(self, values: Collection[str], *instances: Any) -> None:
        """Refuse rows as they are written now, where these values or code of a subclass may have moved them to another
        owner. It undoes the transaction."""
        access = getattr(self.model, "access", None)
        if access is None:
            return
        moved = not access.paths.isdisjoint(values) or not access.is_by_owner_only
        if (moved or override_of(type(self), among=SAVING_HOOKS)) and not may_write(
            self.model, self.request.user, instances
        ):
            self.refuse()


SAVING_HOOKS = frozenset({"perform_create", "perform_update"})


def in_state(rows: Any, deleted: bool | None) -> Any:
    """Return the rows that are not deleted, or the deleted ones; with None both."""
    rows = filterable(rows)
    if deleted:
        return rows.exclude(deleted_at=None)
    if deleted is None or hasattr(rows, "not_deleted"):
        return rows if deleted is None else rows.not_deleted()
    return rows.filter(deleted_at=None) if has_field(rows.model, "deleted_at") else rows
