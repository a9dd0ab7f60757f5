"""Types of JSON in the fields of a ModelSerializer; those of a form and of CSV are texts."""

import pytest
from django.http import QueryDict
from rest_framework import serializers

from accounts.models import User
from core.api.serializers import ModelSerializer

UUID = "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17"


class SampleSerializer(ModelSerializer):
    flag = serializers.BooleanField(required=False, allow_null=True)
    whole = serializers.IntegerField(required=False)
    part = serializers.FloatField(required=False)
    price = serializers.DecimalField(required=False, max_digits=6, decimal_places=2, allow_null=True)
    text = serializers.CharField(required=False)
    key = serializers.UUIDField(required=False)
    size = serializers.ChoiceField(required=False, choices=[("1", "small"), ("2", "large")])
    numbers = serializers.ListField(required=False, child=serializers.IntegerField())
    document = serializers.JSONField(required=False)
    user = serializers.PrimaryKeyRelatedField(required=False, queryset=User.objects.all(), allow_null=True)

    class Meta:
        model = User
        fields = ("flag", "whole", "part", "price", "text", "key", "size", "numbers", "document", "user")


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        *(("flag", value, "invalid") for value in ("true", 1, "yes", "")),
        *(("whole", value, "invalid") for value in ("12", True, "1_0", 1.5)),
        *(("part", value, "invalid") for value in ("1.5", False, "1_0.0")),
        *(("price", value, "invalid") for value in (" ", "", "5_0", "1e2", "\u0663", " 1", True, "0x1", ".")),
        *(("text", value, "invalid") for value in (12, 1.5)),
        *(("key", value, "invalid") for value in (12, 2**64)),
        ("size", 1, "invalid_choice"),
        ("size", 3, "invalid_choice"),
        ("user", "", "does_not_exist"),
        *(
            ("document", value, "max_value")
            for value in (2**64, {"a": [-(2**63) - 1]}, [10**30], {"a": 1e20}, -1e308)
        ),
    ],
)
def test_a_value_of_another_type_is_refused(field, value, code):
    serializer = SampleSerializer(data={field: value})

    assert not serializer.is_valid()
    assert [item.code for item in serializer.errors[field]] == [code]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("flag", value) for value in (True, False, None)),
        *(("whole", value) for value in (12, -1, 2.0)),
        *(("part", value) for value in (12, 1.5)),
        *(("price", value) for value in ("12", "-0.10", "12.", ".5", 12, 1.5, None)),
        *(
            ("text", "12"),
            ("key", UUID),
            ("size", "1"),
            ("numbers", [1, 2]),
            ("user", None),
            ("document", {"a": [2**64 - 1, 1.5, 1e18]}),
        ),
    ],
)
def test_a_value_of_its_type_is_valid(field, value):
    serializer = SampleSerializer(data={field: value})

    assert serializer.is_valid(), serializer.errors


def test_all_problems_are_reported_together():
    serializer = SampleSerializer(data={"whole": "12", "part": "x", "numbers": [1, "2"], "price": "7777777"})

    assert not serializer.is_valid()
    assert set(serializer.errors) == {"whole", "part", "numbers", "price"}
    assert set(serializer.errors["numbers"]) == {1}


def test_a_form_has_texts_only():
    serializer = SampleSerializer(data=QueryDict("whole=12&flag=true&text=a"))

    assert serializer.is_valid(), serializer.errors
    assert (serializer.validated_data["whole"], serializer.validated_data["flag"]) == (12, True)
