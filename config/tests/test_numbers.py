"""Numbers in bodies: their types, and one zero."""

import json
from decimal import Decimal

import pytest
from django.db import models
from django.test.utils import isolate_apps

from config.tests.reading import serializer, viewset
from config.tests.sample_models import Project

with isolate_apps("core.api"):
    meta = type("Meta", (), {"app_label": "core_api"})
    columns = {
        "count": models.IntegerField(),
        "large": models.BigIntegerField(),
        "share": models.FloatField(),
        "price": models.DecimalField(max_digits=8, decimal_places=2),
    }
    Measure = type("Measure", (models.Model,), {**columns, "Meta": meta, "__module__": __name__})

MEASURES = serializer(Measure, *columns)
VALID = {"count": 1, "large": 1, "share": 0.5, "price": "1.50"}


def validated(**values):
    instance = MEASURES(data={**VALID, **values})
    return instance.validated_data if instance.is_valid() else dict.fromkeys(instance.errors, "refused")


@pytest.mark.parametrize("name", columns)
@pytest.mark.parametrize("value", ["5_0", "1_0.5", "٣", "५", True, False, "nan", "inf", "1.2.3", "0x10", ""])
def test_what_is_no_number_to_a_person_is_refused_by_name(name, value):
    assert validated(**{name: value}) == {name: "refused"}


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        *(("count", value, 50) for value in (50, 50.0)),
        ("large", 9007199254740993, 9007199254740993),
        *(("share", value, 50.0) for value in (50, 5e1)),
        *(("price", value, Decimal("50.00")) for value in (50, "50", 5e1, "50.0")),
    ],
)
def test_a_number_is_read_and_a_decimal_is_a_text_too(name, value, number):
    assert validated(**{name: value})[name] == number


@pytest.mark.parametrize("value", ["-0", "-0.00", -0.0])
def test_there_is_one_zero(value):
    values = validated(share=float(value), price=value)

    assert (str(values["share"]), str(values["price"])) == ("0.0", "0.00")


@pytest.mark.usefixtures("sample_tables")
def test_a_write_shows_the_decimal_that_is_read_later(call, ann):
    view = viewset(Project, serializer(Project, "name", "budget"))
    created = json.loads(call(view, "create", ann, data={"name": "One", "budget": "-0"}).content)["data"]
    read = json.loads(call(view, "retrieve", ann, pk=created["id"]).content)["data"]

    assert created["budget"] == read["budget"] == "0.00"
