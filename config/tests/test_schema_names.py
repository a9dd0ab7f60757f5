"""Names of the OpenAPI document: two apps may choose the same one, and get an error that has the cure."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from config.tests.reading import serializer, viewset
from config.tests.sample_models import Customer, Project
from core.api.mixins.bulk import BulkViewSet
from core.openapi.checks import check_schema_names


def named(name, module, base, **members):
    return type(name, (base,), {"__module__": module, **members})


def sold(module, model=Project, **members):
    """Return a viewset of this app, with a serializer of its own."""
    shown = named("OrderSerializer", f"{module}.serializers", serializer(model, "name"))
    given = {"serializer_class": shown, **members}
    return named("OrderViewSet", f"{module}.views", viewset(model, shown), **given)


def test_the_names_of_this_project_are_unique():
    assert check_schema_names() == []


def test_two_serializers_of_one_name_are_named_with_the_cure(serve):
    serve(sold("shop"), sold("wholesale", Customer, schema_name="WholesaleOrder"))

    (problem,) = check_schema_names()
    assert problem.id == "core.E007"
    assert "shop.serializers.OrderSerializer and wholesale.serializers.OrderSerializer" in problem.msg
    assert "component_name" in problem.hint


def test_two_viewsets_of_one_name_are_named_with_the_cure(serve):
    shown = serializer(Project, "name")
    serve(sold("shop", serializer_class=shown), sold("wholesale", serializer_class=shown))

    (problem,) = check_schema_names()
    assert problem.id == "core.E008"
    assert "shop.views.OrderViewSet and wholesale.views.OrderViewSet" in problem.msg
    assert "schema_name" in problem.hint


def test_a_viewset_at_two_paths_is_named_with_them(serve):
    view = sold("shop")
    serve(view, view)

    problems = check_schema_names()
    places = [f"shop.views.OrderViewSet at GET /api/v1/sample{number}" for number in (0, 1)]
    assert {problem.id for problem in problems} == {"core.E008"}
    assert f"listOrders is the id of two operations: {' and '.join(places)}." in [
        each.msg for each in problems
    ]


def test_the_cures_are_cures(serve):
    other = sold("wholesale", Customer, schema_name="WholesaleOrder")
    extend_schema_serializer(component_name="WholesaleOrder")(other.serializer_class)
    serve(sold("shop"), other)

    assert check_schema_names() == []


@pytest.mark.filterwarnings("ignore")
def test_ids_of_operations_are_unique_even_so_and_follow_the_paths(serve):
    serve(sold("shop"), sold("wholesale"))
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    ids = [operation["operationId"] for item in paths.values() for operation in item.values()]

    assert len(ids) == len(set(ids))
    assert paths["/api/v1/sample0"]["post"]["operationId"] == "createOrder"
    assert paths["/api/v1/sample1"]["post"]["operationId"] == "createOrder_2"


def test_a_part_of_an_object_without_id_requires_none(serve):
    shown = serializer(Project, "name")
    shown.Meta.fields = ("name",)
    serve(viewset(Project, shown, schema_name="Nameless"))
    schemas = SchemaGenerator().get_schema(request=None, public=True)["components"]["schemas"]

    assert schemas["SampleInList"]["required"] == schemas["SamplePart"]["required"] == []


def test_a_field_named_as_the_operation_of_a_bulk_result_is_refused(serve):
    shown = serializer(Project, fields=[("method", serializers.CharField(source="name"))])
    serve(viewset(Project, shown))
    assert check_schema_names() == []

    serve(type("Orders", (BulkViewSet,), {"queryset": Project.objects.all(), "serializer_class": shown}))
    with pytest.raises(ImproperlyConfigured, match="Sample has a field `method`"):
        check_schema_names()
