"""BaseViewSet: a resource by declaration. Model, serializer, filters and sorts are named; the rest is here."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import viewsets
from rest_framework.response import Response

from core.api.cache import cached_response
from core.api.etags import PRIVATE, check_if_match, not_modified
from core.api.fast_reads import read_list, read_object
from core.api.filters import NAME_LISTS, wanted_fields
from core.api.filtersets import filterset_of
from core.api.idempotency import idempotent
from core.api.pagination import Pagination, with_meta
from core.api.row_access import RowAccess
from core.api.views import ApiView
from core.audit import services as audit
from core.db.base import with_seen_version
from core.db.owner_versions import list_etag


class BaseViewSet(RowAccess, ApiView, viewsets.GenericViewSet[Any]):
    """Owner-scoped CRUD with lists, versions and audit. A subclass declares:

    `queryset`, `serializer_class`, `filterset_class`, `sort_fields`, `http_method_names`. Rows come only
    through the queryset's `visible_to(user)`; what a caller may not see does not exist.
    """

    queryset: Any
    filterset_class: Any = None
    sort_fields: ClassVar[dict[str, str]] = {}
    default_sort = "-createdAt"
    # The lists that show only the caller's own rows: they have an ETag and may be cached (core/db/owner_versions.py).
    watched_lists: ClassVar[frozenset[str]] = frozenset()
    lookup_value_converter = "uuid"
    exposed: ClassVar[frozenset[str] | None] = (
        None  # the standard actions that have a route; None: all of them
    )
    action_parameters: ClassVar[dict[str, frozenset[str]]] = {}
    list_actions: ClassVar[frozenset[str]] = frozenset({"list"})
    _known: ClassVar[dict[str, tuple[frozenset[str], frozenset[str]]]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.filterset_class = filterset_of(cls)
        filters = cls.filterset_class.base_filters if cls.filterset_class else {}
        listed = {*filters, *Pagination.parameters, "fields"} | ({"sort"} if cls.sort_fields else set())
        repeatable = frozenset(name for name, item in filters.items() if getattr(item, "repeatable", False))
        cls._known = {
            action: (frozenset(names), frozenset()) for action, names in cls.action_parameters.items()
        }
        cls._known["retrieve"] = (
            cls.action_parameters.get("retrieve", frozenset()) | {"fields"},
            frozenset({"fields"}),
        )
        for action in cls.list_actions:
            extra = cls.action_parameters.get(action, frozenset())
            if action == "list" and cls.has_scope():
                extra |= {"scope"}
            cls._known[action] = (frozenset(listed | extra), repeatable | (listed & NAME_LISTS))

    def known_parameters(self) -> tuple[frozenset[str], frozenset[str]]:
        return self._known.get(self.action or "", (frozenset(), frozenset()))

    # --- which rows ---------------------------------------------------------------------------

    def get_object(self) -> Any:
        return self.pick(self.get_queryset())

    def locked_object(self, queryset: QuerySet[Any] | None = None) -> Any:
        """The row, held until the transaction ends. SQLite has no row locks: there the transaction itself,
        begun IMMEDIATE, is the lock."""
        rows = self.get_queryset() if queryset is None else queryset
        instance = self.pick(with_seen_version(rows).select_for_update(of=("self",)))
        # PostgreSQL has waited for another writer: the row is new, what stands beside it is as it was before.
        waited = getattr(instance, "seen_version", instance.version) != instance.version
        instance = self.pick(rows) if waited else instance
        self.check_writable(instance)
        return instance

    def pick(self, queryset: QuerySet[Any]) -> Any:
        instance = get_object_or_404(queryset, pk=self.kwargs["pk"])
        self.check_object_permissions(self.request, instance)
        return instance

    # --- reading ------------------------------------------------------------------------------

    def list(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return self.answer_list(self.listed)

    def answer_list(self, rows: Callable[[], QuerySet[Any]]) -> Response:
        """A page of what `rows`, a method of this view, returns."""
        etag = self.list_etag()
        # `*` is held by whoever has never asked, perhaps for something wrong.
        if etag and self.request.META.get("HTTP_IF_NONE_MATCH", "*").strip() != "*":
            unchanged = not_modified(self.request, etag)
            if unchanged is not None:
                return unchanged
        response = cached_response(self.request, etag, lambda: self.page_of(rows))
        if etag:
            response.headers["ETag"], response.headers["Cache-Control"] = etag, PRIVATE
        return response

    def list_etag(self) -> str | None:
        """Return the ETag of a list that shows nothing but rows of the caller, which are watched; None for another.
        Raises FieldError and PermissionDenied for a wrong `scope`."""
        if self.action not in self.watched_lists or self.wants_all() or not self.shows_own_rows_only():
            return None
        serializer_class: Any = self.get_serializer_class()
        query = self.request.META.get("QUERY_STRING", "")
        return list_etag(self.request.user, serializer_class.Meta.fields, query)

    def page_of(self, rows: Callable[[], QuerySet[Any]]) -> Response:
        wanted = self.wanted_fields()
        read = read_list(self, rows, wanted)
        if read is not None:
            listed, meta = read
            return with_meta(listed, meta)
        page = self.paginate_queryset(self.filter_queryset(rows()))
        listed = self.get_serializer(page, many=True).data
        return self.get_paginated_response([narrowed(row, wanted) for row in listed])

    def wanted_fields(self) -> frozenset[str] | None:
        """Return the names that `fields` asks for, or None for all. Raises FieldError."""
        serializer_class: Any = self.get_serializer_class()
        return wanted_fields(self.request, frozenset(serializer_class.Meta.fields))

    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        read = read_object(self, self.wanted_fields())
        if read is None:
            instance = self.get_object()
            return not_modified(request, instance.etag) or self.answer(instance)
        data, etag = read
        return not_modified(request, etag) or self.answer_with(data, etag)

    def answer(self, instance: Any, status: int = 200, **headers: str) -> Response:
        """One object, with its version."""
        return self.answer_with(self.get_serializer(instance).data, instance.etag, status, **headers)

    def answer_with(self, data: Any, etag: str, status: int = 200, **headers: str) -> Response:
        headers = {"ETag": etag, "Cache-Control": PRIVATE, **headers}
        return Response(narrowed(data, self.wanted_fields()), status=status, headers=headers)

    # --- writing ------------------------------------------------------------------------------

    @idempotent
    def create(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            instance: Any = self.perform_create(serializer) or serializer.instance
            self.check_path(serializer, instance)
            self.record("created", instance)
        return self.answer(instance, 201, Location=f"{request.path}/{instance.pk}")

    def perform_create(self, serializer: Any) -> Any:
        """Store a new object, for the caller where the model's `access` names an owner. May return it, or nothing."""
        return serializer.save(**self.owner_of_new(serializer))

    def update(self, request: Any, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        data = request.data  # read before the row is held: a client may send its body as slowly as it likes
        with transaction.atomic():
            instance = self.locked_object()
            check_if_match(request, instance)
            before = self.get_serializer(instance).data
            serializer = self.get_serializer(instance, data=data, partial=partial)
            serializer.is_valid(raise_exception=True)
            self.perform_update(serializer)
            instance = serializer.instance or instance
            self.check_path(serializer, instance)
            after = self.get_serializer(instance).data
            changes = audit.difference(before, after)
            changes.pop("updatedAt", None)
            if changes:
                self.record("updated", instance, changes)
        return self.answer(instance)

    def perform_update(self, serializer: Any) -> Any:
        return serializer.save()

    def partial_update(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            instance = self.locked_object()
            check_if_match(request, instance)
            self.perform_destroy(instance)
            self.record("deleted", instance)
        return Response(status=204)

    def perform_destroy(self, instance: Any) -> None:
        instance.soft_delete()

    def record(self, verb: str, instance: Model, changes: audit.Changes | None = None) -> None:
        audit.record(
            f"{instance._meta.model_name}.{verb}",
            actor_id=self.request.user.pk,
            target=instance,
            changes=changes,
        )


def narrowed(data: Any, names: frozenset[str] | None) -> Any:
    """Return the object with these fields only; None stands for all."""
    return data if names is None else {name: value for name, value in data.items() if name in names}
