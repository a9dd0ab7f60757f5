"""The OpenAPI document names 409 where the database may refuse a value that another row has."""

import pytest
from django.db import models
from drf_spectacular.generators import SchemaGenerator

from config.tests.reading import serializer
from config.tests.sample_models import Project
from core.api.mixins.trash import TrashViewSet

WRITES = {"createSample", "replaceSample", "updateSample"}
ACTIVE = models.Q(deleted_at=None)
UNIQUE = {
    "constraint": ("constraints", [models.UniqueConstraint(fields=["user", "name"], name="u")], WRITES),
    "condition": (
        "constraints",
        [models.UniqueConstraint(fields=["user", "name"], condition=ACTIVE, name="u")],
        WRITES | {"restoreSample"},
    ),
    "together": ("unique_together", [("user", "name")], WRITES),
    "check": ("constraints", [models.CheckConstraint(condition=~models.Q(name=""), name="c")], set()),
}


@pytest.fixture
def refused(serve):
    """Return {operation: the codes of its 409} of a viewset of Project."""

    def generate(**members):
        shown = serializer(Project, "name")
        given = {"schema_name": "Sample", "queryset": Project.objects.all(), "serializer_class": shown}
        serve(type("SampleViewSet", (TrashViewSet,), given | members))
        paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
        operations = [each for path, item in paths.items() if "/sample0" in path for each in item.values()]
        schemas = {
            each["operationId"]: each["responses"].get("409", {"$ref": ""})["$ref"] for each in operations
        }
        return {
            name: ref.rpartition("/")[2]
            for name, ref in schemas.items()
            if "Conflict" in ref or "Email" in ref
        }

    return generate


@pytest.mark.parametrize("kind", UNIQUE)
def test_a_constraint_of_the_model_is_a_conflict_of_its_writes(refused, monkeypatch, kind):
    name, value, expected = UNIQUE[kind]
    monkeypatch.setattr(Project._meta, name, value)

    assert set(refused()) == expected


def test_a_unique_column_is_a_conflict(refused, monkeypatch):
    monkeypatch.setattr(Project._meta.get_field("code"), "unique", True)

    assert set(refused()) == WRITES


def test_a_view_that_names_its_409_gets_no_other(refused, monkeypatch):
    monkeypatch.setattr(Project._meta, "constraints", UNIQUE["constraint"][1])

    codes = refused(documented_errors={"create": ("EMAIL_EXISTS",)})
    assert (codes["createSample"], codes["updateSample"]) == (
        "EmailExistsOrIdempotencyInProgress",
        "Conflict",
    )
