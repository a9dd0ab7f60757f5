"""Operators in the OpenAPI document, of a list and of its export."""

import pytest
from drf_spectacular.generators import SchemaGenerator

from config.tests.reading import serializer
from config.tests.sample_models import Invoice, Project
from core.importexport.exports import ExportViewSet

TEXT = {"type": "string", "pattern": "^[^\\x00]*$", "maxLength": 200}
WHOLE = {"type": "integer", "minimum": -(2**63) + 1, "maximum": 2**63 - 1}
LIST = "Any of these values, with commas, or the parameter repeated."


def array(items):
    return {"type": "array", "items": items, "minItems": 1, "maxItems": 100}


DESCRIBED = {
    "dueDate[gte]": ("This value or greater.", {"type": "string", "format": "date"}),
    "dueDate[isNull]": ("True for rows without a value, false for the others.", {"type": "boolean"}),
    "startsAt[lt]": ("Less than this value.", {"type": "string", "format": "date-time"}),
    "version[gt]": ("Greater than this value.", WHOLE),
    "version[in]": (LIST, array(WHOLE)),
    "name[in]": (LIST, array(TEXT)),
    "name[contains]": ("With this text in it, whatever the case.", TEXT),
    "name[startsWith]": ("Beginning with this text, in this case.", TEXT),
    "customer[in]": (LIST, array({"type": "string", "format": "uuid"})),
}


class PlanViewSet(ExportViewSet):
    """Plans."""

    queryset = Project.objects.all()
    serializer_class = serializer(Project, "name")
    filterset_fields = {
        "due_date": ["gte", "isnull"],
        "starts_at": ["lt"],
        "version": ["gt", "in"],
        "name": ["in", "icontains", "startswith"],
    }


class BillViewSet(ExportViewSet):
    """Bills."""

    queryset = Invoice.objects.all()
    serializer_class = serializer(Invoice, "number")
    filterset_fields = {"customer": ["in"]}


@pytest.fixture
def paths(serve):
    serve(PlanViewSet, BillViewSet)
    return SchemaGenerator().get_schema(request=None, public=True)["paths"]


def test_a_list_describes_its_operators(paths):
    given = [
        item
        for number in (0, 1)
        for item in paths[f"/api/v1/sample{number}"]["get"]["parameters"]
        if "[" in item.get("name", "")
    ]

    assert {item["name"]: (item["description"], item["schema"]) for item in given} == DESCRIBED
    assert {item["name"] for item in given if item.get("explode") is False} == {
        name for name, (text, _schema) in DESCRIBED.items() if text == LIST
    }


def test_the_body_of_an_export_has_them_too(paths):
    body = paths["/api/v1/sample0/export"]["post"]["requestBody"]["content"]["application/json"]["schema"]

    assert body["properties"]["dueDate[gte]"]["format"] == "date"
    assert body["properties"]["version[in]"]["anyOf"] == [array(WHOLE), WHOLE]
