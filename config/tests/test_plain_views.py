"""Views of plain REST framework, as an author may have them already: the defaults of this project serve them too."""

import json

import pytest
from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from rest_framework import generics, serializers, viewsets
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter
from rest_framework.views import APIView

from config import urls
from config.tests.sample_models import Customer

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


router = DefaultRouter(trailing_slash=False)
router.register("customers", CustomerViewSet)
urlpatterns = [
    path("api/v1/plain/view", Plain.as_view()),
    path("api/v1/plain/scoped", Scoped.as_view()),
    path("api/v1/plain/other-scope", OtherScope.as_view()),
    path("api/v1/plain/function", function),
    path("api/v1/plain/list", CustomerList.as_view()),
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


@pytest.mark.filterwarnings("ignore")
def test_plain_views_are_in_the_document():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]

    assert {"/api/v1/plain/view", "/api/v1/plain/list", "/api/v1/plain/customers/{id}"} <= paths.keys()
