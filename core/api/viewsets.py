"""BaseViewSet: a resource by declaration. Model, serializer, filters and sorts are named; the rest is here."""

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Model, QuerySet
from rest_framework import viewsets
from rest_framework.generics import get_object_or_404
from rest_framework.response import Response

from core.api.cache import cached_response
from core.api.etags import PRIVATE, check_if_match, not_modified
from core.api.fast_reads import read_list, read_object
from core.api.filters import (
    NAME_LISTS,
    FilterBackend,
    SortBackend,
    parameters_in,
    repeatable_in,
    requested_fields,
)
from core.api.filtersets import filterset_of, refuse_leaks
from core.api.idempotency import idempotent
from core.api.includes import refuse_wrong_includes, requested_includes, with_included
from core.api.pagination import parameters_of, with_meta
from core.api.parsers import MergePatchParser
from core.api.read_eligibility import compares_own_columns, shows_its_row_only
from core.api.row_access import RowAccess
from core.api.scopes import OF_ITS_PATH
from core.api.serializers import ModelSerializer, merge_patch, names_of, refuse_unknown_fields
from core.api.views import ApiView
from core.api.written_relations import refuse_hidden
from core.audit import services as audit
from core.db.owner_versions import list_etag
from core.db.replica import read_from_replica


class BaseViewSet(RowAccess, ApiView, viewsets.GenericViewSet[Any]):
    """Owner-scoped CRUD with lists, versions and audit.

    A subclass declares `queryset`, `serializer_class`, `filterset_class`, `sort_fields`, `http_method_names`. Rows come
    only through the queryset's `visible_to(user)`; a row that the caller may not see is a 404.
    """

    queryset: Any
    key_scope: ClassVar[str | None] = OF_ITS_PATH
    pagination_class: Any
    filter_backends: Any = (FilterBackend, SortBackend)
    filterset_class: Any = None
    sort_fields: ClassVar[dict[str, str]] = {}
    default_sort = "-createdAt"
    includes: ClassVar[dict[str, Any]] = {}  # {name of a relation: the serializer of its row}, for `include`
    # The lists that show only the caller's own rows: they have an ETag and may be cached (core/db/owner_versions.py).
    watched_lists: ClassVar[frozenset[str]] = frozenset()
    lookup_value_converter = "uuid"
    exposed: ClassVar[frozenset[str] | None] = (
        None  # the standard actions that have a route; None: all of them
    )
    action_parameters: ClassVar[dict[str, frozenset[str]]] = {}
    list_actions: ClassVar[frozenset[str]] = frozenset({"list"})
    paged_actions: ClassVar[frozenset[str]] = frozenset()  # that return a page of other objects

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.filterset_class = filterset_of(cls)
        refuse_leaks(cls)
        refuse_wrong_includes(cls)
        if cls.lookup_field != "pk" and cls.lookup_value_converter == BaseViewSet.lookup_value_converter:
            cls.lookup_value_converter = "str"

    def known_parameters(self) -> tuple[frozenset[str], frozenset[str]]:
        return self.find_known_parameters(self.action or "")

    def find_known_parameters(self, action: str) -> tuple[frozenset[str], frozenset[str]]:
        pages: Any = self.pagination_class
        known = self.action_parameters.get(action, frozenset())
        objects = {"fields", "include"} if self.includes else {"fields"}
        if action == "retrieve":
            return known | objects, frozenset(objects)
        if action in self.paged_actions:
            return known | parameters_of(pages), frozenset()
        if action not in self.list_actions:
            return frozenset(known), frozenset()
        filters: set[str] = set()
        repeatable: set[str] = set()
        backends: Any = self.filter_backends
        for backend in backends:
            if hasattr(backend, "get_filterset_class"):  # of django-filter
                filterset_class = backend().get_filterset_class(self, self.model._default_manager.none())
                filters |= parameters_in(filterset_class).keys()
                repeatable |= repeatable_in(filterset_class)
        known |= {*filters, *parameters_of(pages), *objects}
        known |= {"sort"} if self.sort_fields else set()
        known |= parameters_of(*backends)
        known |= {"scope"} if action == "list" and self.has_scope() else set()
        return frozenset(known), frozenset(repeatable | (known & NAME_LISTS))

    # --- which rows ---------------------------------------------------------------------------

    def get_object(self) -> Any:
        return self.pick(self.object_rows())

    def lookup(self) -> dict[str, Any]:
        """Return the condition for the object that the path names."""
        return {self.lookup_field: self.kwargs[self.lookup_url_kwarg or self.lookup_field]}

    def pick(self, queryset: QuerySet[Any]) -> Any:
        instance = get_object_or_404(queryset, **self.lookup())
        self.check_object_permissions(self.request, instance)
        return instance

    def locked_object(self) -> Any:
        """Return the object, locked until the transaction ends. SQLite has no row locks: there the transaction itself,
        begun IMMEDIATE, is the lock.

        It is looked for once more when it is locked, since the statement that waits for a lock sees other tables as
        they were before.
        """
        lock(self.model, [self.get_object().pk])
        instance = self.get_object()
        self.check_writable(instance)
        return instance

    # --- reading ------------------------------------------------------------------------------

    def list(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return self.list_response(self.rows_in_state)

    def list_response(self, rows: Callable[[], QuerySet[Any]]) -> Response:
        """Return a page of the rows that `rows`, a method of this view, returns."""
        # It raises, also where `get_queryset` is of a subclass. No ETag, and not cached: a replica may be behind.
        if self.requests_all():
            return read_from_replica(lambda: self.page_of(rows))
        etag = self.list_etag()
        # `*` may come from a client that has no response yet, and whose query may be wrong.
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
        Raises FieldError for a wrong `include`; FieldError and PermissionDenied for a wrong `scope`."""
        if self.action not in self.watched_lists or self.requests_all():
            return None
        if requested_includes(self):
            return None
        if not self.shows_own_rows_only() or not compares_own_columns(self):
            return None
        serializer_class: Any = self.get_serializer_class()
        query = self.request.META.get("QUERY_STRING", "")
        return list_etag(self.request.user, names_of(serializer_class), query)

    def page_of(self, rows: Callable[[], QuerySet[Any]]) -> Response:
        names, includes = self.requested_fields(), requested_includes(self)
        read = read_list(self, rows, names) if not includes else None
        if read is not None:
            listed, meta = read
            return with_meta(listed, meta)
        filtered = self.filter_queryset(rows())
        page = self.paginate_queryset(filtered)
        instances = filtered if page is None else page
        listed = [narrowed(row, names) for row in self.get_serializer(instances, many=True).data]
        listed = with_included(self, includes, instances, listed) if includes else listed
        return Response(listed) if page is None else self.get_paginated_response(listed)

    def requested_fields(self) -> frozenset[str] | None:
        """Return the names in `fields`, or None for all. Raises FieldError."""
        if "fields" not in self.request.query_params:
            return None
        return requested_fields(self.request, frozenset(names_of(self.get_serializer_class())))

    def retrieve(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        if includes := requested_includes(self):
            instance = self.get_object()
            response = self.respond(instance)
            (response.data,) = with_included(self, includes, [instance], [response.data])
            return response  # never a 304: the version does not cover the included rows
        read = read_object(self, self.requested_fields())
        if read is None:
            instance = self.get_object()
            return self.not_modified(instance.etag) or self.respond(instance)
        data, etag = read
        return self.not_modified(etag) or self.response_with(data, etag, key=kwargs["pk"])

    def not_modified(self, etag: str) -> Response | None:
        """Return a 304, unless the object is shown with values that may change without its version."""
        covered = shows_its_row_only(self.model, type(self), self.get_serializer_class())
        return not_modified(self.request, etag) if covered else None

    def respond(self, instance: Any, status: int = 200, **headers: str) -> Response:
        """Return a response with the object and its version."""
        data = self.get_serializer(instance).data
        return self.response_with(data, instance.etag, status, key=instance.pk, **headers)

    def response_with(
        self, data: Any, etag: str, status: int = 200, *, key: Any = None, **headers: str
    ) -> Response:
        """Return the response with what the object with this key is shown as."""
        headers = {"ETag": etag, "Cache-Control": PRIVATE, **headers}
        return Response(narrowed(data, self.requested_fields()), status=status, headers=headers)

    # --- writing ------------------------------------------------------------------------------

    @idempotent
    def create(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        self.validate(serializer)
        with transaction.atomic():
            instance = self.perform_saving(self.perform_create, serializer)
            self.record("created", instance)
        address = getattr(instance, self.lookup_field)
        return self.respond(instance, 201, Location=f"{request.path}/{address}")

    def validate(self, serializer: Any) -> None:
        """Validate the body. Raises ValidationError."""
        refuse_unknown_fields(serializer, serializer.initial_data, self.request)
        serializer.is_valid(raise_exception=True)
        if not isinstance(serializer, ModelSerializer):  # which has done it
            refuse_hidden(serializer, serializer.validated_data)

    def perform_saving(self, hook: Callable[[Any], Any], serializer: Any) -> Any:
        """Return what the hook has stored: it may return nothing, as in REST framework."""
        returned = hook(serializer)
        instance = returned if isinstance(returned, Model) else serializer.instance
        self.check_written(serializer.validated_data, instance)
        return instance

    def perform_create(self, serializer: Any) -> Any:
        """Store a new object, for the caller where the model's `access` names an owner. May return it, or nothing."""
        return serializer.save(**self.owner_of_new(serializer.validated_data))

    def update(self, request: Any, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        data = request.data  # read before the row is locked: a client may send its body slowly
        with transaction.atomic():
            instance = self.locked_object()
            check_if_match(request, instance)
            before = self.get_serializer(instance).data
            serializer = self.get_serializer(instance, data=data, partial=partial)
            if partial and request.content_type.lower().startswith(MergePatchParser.media_type):
                serializer.initial_data = merge_patch(serializer, data)
            self.validate(serializer)
            instance = self.perform_saving(self.perform_update, serializer)
            changes = audit.difference(before, self.get_serializer(instance).data)
            if changes:
                self.record("updated", instance, changes)
        return self.respond(instance)

    def perform_update(self, serializer: Any) -> Any:
        return serializer.save()

    def partial_update(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        with transaction.atomic():
            instance = self.locked_object()
            check_if_match(request, instance)
            key = instance.pk
            self.perform_destroy(instance)
            instance.pk = key  # `Model.delete` takes it away
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


def lock(model: Any, keys: Collection[Any]) -> None:
    """Lock rows until the transaction ends, in the order of their keys. By a plain query: PostgreSQL locks no rows of
    one with DISTINCT, GROUP BY or UNION."""
    rows = model._base_manager.filter(pk__in=keys).order_by("pk").select_for_update(of=("self",))
    list(rows.values_list("pk", flat=True))


def narrowed(data: Any, names: frozenset[str] | None) -> Any:
    """Return the object with these fields only; None stands for all."""
    return data if names is None else {name: value for name, value in data.items() if name in names}
