"""Fields that a serializer declares itself: their columns, and what the OpenAPI document allows in them."""

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # of drf-spectacular
from rest_framework import serializers

from config.tests.sample_models import Project
from core.api.serializers import ModelSerializer
from core.api.viewsets import BaseViewSet

pytestmark = pytest.mark.usefixtures("sample_tables")


class PlanSerializer(ModelSerializer):
    dueDate = serializers.DateField(required=False, allow_null=True)
    when = serializers.DateTimeField(source="starts_at", required=False)
    links = serializers.JSONField(source="code", required=False, allow_null=True)
    home = serializers.URLField(
        required=False, allow_null=True, allow_blank=True, read_only=False, source="code"
    )

    class Meta:
        model = Project
        fields = ("id", "name", "dueDate", "when", "links", "home")
        read_only_fields = ("id",)


class PlanViewSet(BaseViewSet):
    """Plans."""

    queryset = Project.objects.all()
    serializer_class = PlanSerializer


def test_a_declared_field_has_the_column_of_its_name(call, owner):
    response = call(PlanViewSet, "create", owner.user, data={"name": "A", "dueDate": "2026-12-31"})

    assert response.status_code == 201, response.content
    assert str(Project.objects.get().due_date) == "2026-12-31"


@pytest.mark.parametrize(
    ("name", "value"), [("links", None), ("links", {"a": 1}), ("home", ""), ("home", None)]
)
def test_the_document_allows_what_may_be_of_two_types(serve, name, value):
    serve(PlanViewSet)
    document = SchemaGenerator().get_schema(request=None, public=True)
    schema = document["components"]["schemas"]["Plan"]["properties"][name]

    assert [*Draft202012Validator(schema).iter_errors(value)] == []
