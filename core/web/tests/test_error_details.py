"""`params` of the details of an error: the limits that its message names."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework import serializers

from core.api.serializers import Serializer
from core.web.errors import translate

this_year: Any = lambda: 2026  # noqa: E731  # REST framework takes a function from the model's validator


class Nested(Serializer):
    name = serializers.CharField(max_length=5)


class Sample(Serializer):
    text = serializers.CharField(min_length=2, max_length=5, required=False)
    number = serializers.IntegerField(min_value=1, max_value=9, required=False)
    amount = serializers.DecimalField(max_digits=5, decimal_places=2, max_value=Decimal(500), required=False)
    names = serializers.ListField(child=serializers.CharField(max_length=3), max_length=2, required=False)
    one = Nested(required=False)
    lines: Any = serializers.ListSerializer(child=Nested(), required=False, max_length=1)
    choice = serializers.ChoiceField(["a"], required=False)
    year = serializers.IntegerField(required=False, max_value=this_year)


@pytest.mark.parametrize(
    ("data", "field", "code", "params"),
    [
        ({"text": "123456"}, "text", "max_length", {"max": 5}),
        ({"text": "1"}, "text", "min_length", {"min": 2}),
        ({"number": 10}, "number", "max_value", {"max": 9}),
        ({"number": 0}, "number", "min_value", {"min": 1}),
        ({"amount": "501"}, "amount", "max_value", {"max": Decimal(500)}),
        ({"amount": "123456"}, "amount", "max_digits", {"max": 5}),
        ({"amount": "1234"}, "amount", "max_whole_digits", {"max": 3}),
        ({"amount": "1.234"}, "amount", "max_decimal_places", {"max": 2}),
        ({"names": ["a", "b", "c"]}, "names", "max_length", {"max": 2}),
        ({"names": ["a", "long"]}, "names.1", "max_length", {"max": 3}),
        ({"one": {"name": "123456"}}, "one.name", "max_length", {"max": 5}),
        ({"lines": [{"name": "1"}, {"name": "2"}]}, "lines", "max_length", {"max": 1}),
        ({"lines": [{"name": "123456"}]}, "lines.0.name", "max_length", {"max": 5}),
        ({"choice": "b"}, "choice", "invalid_choice", None),
        ({"text": ""}, "text", "blank", None),
    ],
)
def test_a_detail_has_the_limit_that_its_message_names(data, field, code, params):
    serializer = Sample(data=data)
    with pytest.raises(serializers.ValidationError) as refused:
        serializer.is_valid(raise_exception=True)
    (detail,) = translate(refused.value).details

    assert (detail["field"], detail["code"], detail.get("params")) == (field, code, params)
    assert params is None or str(next(iter(params.values()))) in detail["message"]


def test_a_limit_that_is_a_function_is_shown_as_its_value():
    serializer = Sample(data={"year": 2027})
    with pytest.raises(serializers.ValidationError) as refused:
        serializer.is_valid(raise_exception=True)

    assert [detail["params"] for detail in translate(refused.value).details] == [{"max": 2026}]
