"""Views of plain REST framework, as an author may have them already: the defaults of this project serve them too."""

import io
import json

import pytest
from django.core.management import call_command
from django.urls import include, path
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.generators import SchemaGenerator
from rest_framework import generics, serializers, viewsets
from rest_framework.decorators import api_view
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

from config import urls
from config.tests.sample_models import Customer, Membership, Team
from core.tests.answers import problems

pytestmark = [pytest.mark.usefixtures("sample_tables"), pytest.mark.urls(__name__)]


class CustomerSerializer(serializers.ModelSerializer):
    class Meta:
        model = Customer
        fields = ("id", "name")


class Plain(APIView):
    def get(self, request):
        return Response({"user": str(request.user.pk)})

    def post(self, request):
        return Response(request.data, status=201)


class Scoped(Plain):
    throttle_scope = "auth"


class OtherScope(Plain):
    throttle_scope = "uploads"


@api_view(["GET"])
def function(request):
    return Response(["a"])


class CustomerList(generics.ListCreateAPIView):
    queryset = Customer.objects.order_by("name")
    serializer_class = CustomerSerializer

    def perform_create(self, serializer):
        serializer.save(user=self.request.user)


class CustomerViewSet(viewsets.ModelViewSet):
    queryset = Customer.objects.order_by("name")
    serializer_class = CustomerSerializer
    filterset_fields = ("name",)
    search_fields = ("name", "user__name")
    ordering_fields = ("name", "created_at")


class TeamSerializer(serializers.ModelSerializer):
    class Meta:
        model = Team
        fields = ("id", "name")


class TeamViewSet(viewsets.ReadOnlyModelViewSet):
    """With the same backends, named by the view, and over relations to rows of which a caller may not see all."""

    queryset = Team.objects.order_by("name")
    serializer_class = TeamSerializer
    filter_backends = (DjangoFilterBackend, SearchFilter, OrderingFilter)
    filterset_fields = ("memberships__user", "lead__name")
    search_fields = ("memberships__user__name",)
    ordering_fields = ("lead__name",)


class TeamList(generics.ListAPIView):
    queryset = Team.objects.order_by("name")
    serializer_class = TeamSerializer
    filterset_fields = ("memberships__user", "lead__name")


router = DefaultRouter(trailing_slash=False)
router.register("customers", CustomerViewSet)
router.register("teams", TeamViewSet)
urlpatterns = [
    path("api/v1/plain/view", Plain.as_view()),
    path("api/v1/plain/scoped", Scoped.as_view()),
    path("api/v1/plain/other-scope", OtherScope.as_view()),
    path("api/v1/plain/function", function),
    path("api/v1/plain/list", CustomerList.as_view()),
    path("api/v1/plain/team-list", TeamList.as_view()),
    path("api/v1/plain/", include(router.urls)),
    *urls.urlpatterns,
]


@pytest.mark.parametrize(
    ("place", "data"), [("view", dict), ("scoped", dict), ("other-scope", dict), ("function", list)]
)
def test_a_plain_view_is_served_in_the_envelope(owner, place, data):
    response = owner.get(f"/api/v1/plain/{place}")

    assert response.status_code == 200
    assert isinstance(response.json()["data"], data)
    assert "RateLimit-Limit" in response


def test_the_commands_know_plain_views():
    """Each of them looks at all viewsets of the routes."""
    call_command("check", fail_level="ERROR")
    shown = io.StringIO()
    call_command("show_access", stdout=shown)

    assert "CustomerViewSet (core_db.Customer)\n  plain REST framework" in shown.getvalue()


def test_a_plain_view_refuses_a_stranger(anonymous):
    response = anonymous.get("/api/v1/plain/view")

    assert (response.status_code, response.json()["error"]["code"]) == (401, "UNAUTHORIZED")


def test_a_plain_list_is_paged_and_creates(owner):
    created = owner.post("/api/v1/plain/list", {"name": "trip"})
    listed = owner.get("/api/v1/plain/list", {"limit": 1})
    refused = owner.post("/api/v1/plain/list", {"name": "x" * 101})

    assert created.status_code == 201
    assert [each["name"] for each in listed.json()["data"]] == ["trip"]
    assert listed.json()["meta"]["limit"] == 1
    assert (refused.status_code, json.loads(refused.content)["error"]["details"][0]["field"]) == (400, "name")


def test_a_plain_viewset_is_served(owner):
    customer = Customer.objects.create(user=owner.user, name="trip")
    statuses = [
        owner.get("/api/v1/plain/customers").status_code,
        owner.get(f"/api/v1/plain/customers/{customer.pk}").status_code,
        owner.patch(f"/api/v1/plain/customers/{customer.pk}", {"name": "voyage"}).status_code,
        owner.delete(f"/api/v1/plain/customers/{customer.pk}").status_code,
    ]

    assert statuses == [200, 200, 200, 204]


CUSTOMERS, TEAMS, TEAM_LIST = (f"/api/v1/plain/{name}" for name in ("customers", "teams", "team-list"))


@pytest.fixture
def customers(owner, stranger):
    for name, user in (("bell", owner.user), ("bike", stranger.user), ("road", owner.user)):
        Customer.objects.create(name=name, user=user)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["bell", "bike", "road"]),
        ({"name": "bike"}, ["bike"]),
        ({"search": "b"}, ["bell", "bike"]),
        ({"search": "stranger"}, ["bike"]),
        ({"ordering": "-name"}, ["road", "bike", "bell"]),
        ({"ordering": "-created_at", "search": "b"}, ["bike", "bell"]),
        ({"ordering": "unknown", "sort": "x", "unknown": "1"}, ["bell", "bike", "road"]),
        ({"ordering": "-name", "limit": 1, "page": 2}, ["bike"]),
    ],
)
def test_a_plain_view_filters_searches_and_sorts_as_rest_framework_documents(owner, customers, query, found):
    response = owner.get(CUSTOMERS, query)

    assert response.status_code == 200
    assert [row["name"] for row in response.json()["data"]] == found


@pytest.fixture
def teams(owner, stranger):
    made = [Team.objects.create(name=name, lead=lead.user) for name, lead in (("A", owner), ("B", stranger))]
    for team, user in ((made[0], stranger.user), (made[1], stranger.user), (made[1], owner.user)):
        Membership.objects.create(team=team, user=user)


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        (TEAMS, {"memberships__user": "owner"}, ["B"]),
        (TEAMS, {"lead__name": "Sam Stranger"}, ["B"]),
        (TEAMS, {"search": "olive"}, ["B"]),
        (TEAMS, {"ordering": "-lead__name"}, ["B", "A"]),
        (TEAM_LIST, {"memberships__user": "owner"}, ["B"]),
        (TEAM_LIST, {"lead__name": "Sam Stranger"}, ["B"]),
    ],
)
def test_a_plain_view_filters_over_relations_to_many_rows(owner, teams, path, query, found):
    query = {name: str(owner.user.pk) if value == "owner" else value for name, value in query.items()}
    response = owner.get(path, query)

    assert response.status_code == 200
    assert [row["name"] for row in response.json()["data"]] == found


@pytest.mark.parametrize("path", [TEAMS, TEAM_LIST])
def test_a_wrong_value_of_a_plain_filter_is_refused_by_name(owner, path):
    assert set(problems(owner.get(path, {"memberships__user": "nobody"}))) == {"memberships__user"}


PARAMETERS = (
    *("search", "ordering", "name", "memberships__user", "lead__name"),
    *("page", "limit", "cursor"),
)


@pytest.mark.parametrize("text", ["\0", "", "9" * 500, "\u202e", "[", "%", "1e999"])
@pytest.mark.parametrize("address", [CUSTOMERS, TEAMS, TEAM_LIST])
def test_no_value_of_a_plain_filter_is_a_500(owner, teams, address, text):
    assert {owner.get(address, {name: text}).status_code for name in PARAMETERS} <= {200, 400}


@pytest.mark.filterwarnings("ignore")
def test_plain_views_are_in_the_document():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]

    assert {"/api/v1/plain/view", "/api/v1/plain/list", "/api/v1/plain/customers/{id}"} <= paths.keys()
