"""Documented uses of REST framework in a viewset: paginators, backends, lookups, renderers; times and versions."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db.models import Count
from django.utils import timezone as current
from rest_framework import serializers
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.pagination import PageNumberPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.throttling import UserRateThrottle

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer
from config.tests.sample_models import Club, Customer, Invoice, Project, Seat
from core.api.mixins.bulk import BulkViewSet
from core.api.mixins.history import HistoryViewSet
from core.api.mixins.trash import TrashViewSet
from core.api.serializers import ModelSerializer

pytestmark = pytest.mark.usefixtures("sample_tables")


class Everything(BulkViewSet, HistoryViewSet, TrashViewSet):
    """Base of the viewsets in this file."""


def full(of, serializer_class, **members):
    given = {"queryset": of.objects.all(), "serializer_class": serializer_class, **members}
    return type("ViewSet", (Everything,), {name: value for name, value in given.items() if value is not None})


def body(response, status=200):
    assert response.status_code == status, response.content
    return json.loads(response.content)["data"]


@pytest.fixture
def ben():
    return UserFactory(name="Ben")


@pytest.fixture
def customer(ann):
    return Customer.objects.create(name="C", user=ann)


@pytest.fixture
def invoice(customer):
    return Invoice.objects.create(number="1", customer=customer)


@pytest.fixture
def project(ann):
    return Project.objects.create(name="One", user=ann)


INVOICE = serializer(Invoice, "number")
PROJECT = serializer(Project, "name", "createdAt")
MINE = {"name": "New"}


# --- members --------------------------------------------------------------------------------------


def found_club(self, new):
    Seat.objects.create(club=new.save(), user=self.request.user)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize(
    ("hook", "status"), [(found_club, 201), (lambda self, new: new.save() and None, 403)]
)
def test_a_club_is_its_founders(call, ann, many, hook, status):
    view = full(Club, serializer(Club, "name"), perform_create=hook)
    if many:
        response = call(view, "bulk", ann, data={"operations": [{"method": "create", "data": MINE}]})
    else:
        response = call(view, "create", ann, data=MINE)

    assert response.status_code == (200 if many and status == 201 else status)
    assert len(body(call(view, "list", ann))) == Club.objects.count() == (status == 201)


# --- merge patches --------------------------------------------------------------------------------


class CallersName:
    requires_context = True

    def __call__(self, field):
        return field.context["request"].user.name


DEFAULT_CODE = [
    ("b", "b"),
    (lambda: "c", "c"),
    (CallersName(), "Ann"),
    (serializers.CreateOnlyDefault("d"), "null"),
]


@pytest.mark.parametrize(("default", "code"), DEFAULT_CODE)
def test_a_merge_patch_removes_a_value_by_any_default(call, ann, project, default, code):
    fields = [("code", serializers.CharField(default=default))]
    view = full(Project, serializer(Project, "name", "budget", fields=fields))  # the model has 0 for a budget
    Project.objects.update(code="first", budget=5)
    body_of = json.dumps({"code": None, "budget": None})
    headers = {"content_type": "application/merge-patch+json"}
    response = call(view, "partial_update", ann, data=body_of, headers=headers, pk=project.pk)

    if code == "null":
        assert [problem["code"] for problem in json.loads(response.content)["error"]["details"]] == ["null"]
        return
    shown = body(response)
    assert (shown["code"], float(shown["budget"])) == (code, 0)


@pytest.mark.parametrize("name", ["name", "id"])
def test_a_merge_patch_removes_no_other_value(call, ann, project, name):
    view = full(Project, PROJECT)
    headers = {"content_type": "application/merge-patch+json"}
    response = call(
        view, "partial_update", ann, data=json.dumps({name: None}), headers=headers, pk=project.pk
    )

    assert response.status_code == (400 if name == "name" else 200)
    project.refresh_from_db()
    assert project.name == "One"


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["list", "retrieve", "cursor"])
def test_times_are_in_utc_whatever_is_activated(call, ann, project, action):
    view = full(Project, PROJECT, sort_fields={"createdAt": "created_at"})
    with current.override(timezone(timedelta(hours=5))):
        if action == "retrieve":
            shown = body(call(view, "retrieve", ann, pk=project.pk))
        else:
            (shown,) = body(call(view, "list", ann, query={"cursor": ""} if action == "cursor" else None))

    assert shown["createdAt"] == project.created_at.isoformat().replace("+00:00", "Z")


def test_a_time_that_code_gives_is_shown_in_utc(call, ann):
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    view = full(
        Project,
        serializer(Project, "name", "startsAt"),
        perform_create=lambda self, new: new.save(user=self.request.user, starts_at=noon),
    )

    assert noon.astimezone(UTC).hour == 10
    assert body(call(view, "create", ann, data=MINE), 201)["startsAt"] == "2026-01-01T10:00:00Z"


# --- the other attributes of a view ---------------------------------------------------------------


class TwoAPage(PageNumberPagination):
    page_size = 2
    page_size_query_param = "size"


class Rate(UserRateThrottle):
    rate = "1/minute"
    scope = "rate"


def test_a_lookup_field_of_ones_own(call, ann, project):
    Project.objects.filter(pk=project.pk).update(code="p-1")
    view = full(Project, PROJECT, lookup_field="code")

    assert view.lookup_value_converter == "str"
    assert body(call(view, "retrieve", ann, code="p-1"))["name"] == "One"
    assert body(call(view, "partial_update", ann, data={"name": "Two"}, code="p-1"))["name"] == "Two"
    assert call(view, "destroy", ann, code="p-2").status_code == 404


@pytest.mark.parametrize(("paginator", "query"), [(None, {}), (TwoAPage, {"page": 1, "size": 1})])
def test_a_pagination_class_of_ones_own(call, ann, project, paginator, query):
    members = {"sort_fields": {"createdAt": "created_at"}, "pagination_class": paginator}
    view = type("View", (full(Project, PROJECT),), members)
    shown = body(call(view, "list", ann, query=query))

    assert [row["name"] for row in (shown if paginator is None else shown["results"])] == ["One"]


def test_filter_backends_of_rest_framework(call, ann, project):
    members = {"search_fields": ["name"], "ordering_fields": ["name"]}
    view = full(Project, PROJECT, filter_backends=[SearchFilter, OrderingFilter], **members)

    assert body(call(view, "list", ann, query={"search": "nothing", "ordering": "name"})) == []


def test_filterset_fields_filter(call, ann, project):
    view = full(Project, PROJECT, filterset_fields=["name"])

    assert body(call(view, "list", ann, query={"name": "Two"})) == []
    assert len(body(call(view, "list", ann, query={"name": "One"}))) == 1


def test_renderers_and_throttles_of_ones_own(call, ann, project):
    view = full(Project, PROJECT, renderer_classes=[JSONRenderer], throttle_classes=[Rate])
    responses = [call(view, "list", ann) for _ in range(2)]

    assert json.loads(responses[0].content)[0]["name"] == "One"
    assert responses[1].status_code == 429


def test_a_serializer_class_by_action_and_a_context(call, ann, project):
    shouting = {"get_name": lambda self, row: self.context["shout"]}
    loud = serializer(Project, fields=[("name", serializers.SerializerMethodField())], members=shouting)

    def get_serializer_context(self):
        return {**super(view, self).get_serializer_context(), "shout": "ONE"}

    view = full(
        Project,
        PROJECT,
        get_serializer_class=lambda self: loud if self.action == "retrieve" else PROJECT,
        get_serializer_context=get_serializer_context,
    )

    assert body(call(view, "retrieve", ann, pk=project.pk))["name"] == "ONE"
    assert body(call(view, "list", ann))[0]["name"] == "One"


# --- versions -------------------------------------------------------------------------------------


class WithName(ModelSerializer):
    payer = serializers.CharField(source="customer.name", read_only=True)

    class Meta:
        model = Invoice
        fields = ("id", "number", "payer")


SHOWN = {
    "own columns": ({"serializer_class": INVOICE}, 304),
    "other rows": ({"serializer_class": WithName}, 200),
    "a class by role": ({"get_serializer_class": lambda self: INVOICE}, 200),
    "a serializer of its own": (
        {"get_serializer": lambda self, *args, **kwargs: INVOICE(*args, **kwargs)},
        200,
    ),
    "an object of its own": (
        {"get_object": lambda self: Invoice.objects.get(pk=self.kwargs["pk"])},
        200,
    ),
    "a context": ({"get_serializer_context": lambda self: {"request": self.request}}, 200),
}


@pytest.mark.parametrize("how", SHOWN)
def test_an_object_that_shows_more_than_its_row_is_never_unchanged(call, ann, invoice, how):
    members, status = SHOWN[how]
    view = full(Invoice, **{"serializer_class": INVOICE, **members})
    etag = call(view, "retrieve", ann, pk=invoice.pk)["ETag"]
    held = {"HTTP_IF_NONE_MATCH": etag}

    assert call(view, "retrieve", ann, pk=invoice.pk, headers=held).status_code == status
    stale = call(view, "partial_update", ann, data={}, pk=invoice.pk, headers={"HTTP_IF_MATCH": '"v9"'})
    assert stale.status_code == 412
    current = call(view, "partial_update", ann, data={}, pk=invoice.pk, headers={"HTTP_IF_MATCH": etag})
    assert current.status_code == 200


WATCHED = {
    "own columns": ({}, True),
    "an annotation": ({"queryset": Customer.objects.annotate(more=Count("name"))}, False),
    "get_queryset": ({"get_queryset": lambda self: Customer.objects.filter(user=self.request.user)}, False),
    "a sort over a relation": ({"sort_fields": {"user": "user__name"}, "default_sort": "user"}, False),
    "a distinct query": ({"queryset": Customer.objects.distinct()}, False),
}


@pytest.mark.parametrize("kind", WATCHED)
def test_a_list_has_an_etag_where_it_shows_own_columns_of_own_rows_only(call, ann, customer, kind):
    members, has_etag = WATCHED[kind]
    fields = [("more", serializers.IntegerField())] if kind == "an annotation" else []
    members = {"sort_fields": {"createdAt": "created_at"}, **members}
    view = full(
        Customer, serializer(Customer, "name", fields=fields), watched_lists=frozenset({"list"}), **members
    )

    assert call(view, "list", ann).has_header("ETag") is has_etag
