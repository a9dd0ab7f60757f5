from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test import Client

from core.api.filters import order_of, refuse_unknown
from core.tests.answers import problems
from core.web.errors import ApiError, FieldError

COLUMNS = {"title": "title", "createdAt": "created_at"}


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("title", ["title", "id"]),
        ("-title", ["-title", "-id"]),
        ("createdAt,-title", ["created_at", "-title", "id"]),
        ("-createdAt, title", ["-created_at", "title", "-id"]),
        ("title,title", ["title", "id"]),
        ("title,-title", ["title", "id"]),
    ],
)
def test_the_id_breaks_ties_in_the_direction_of_the_first_key(sort, order):
    assert order_of(sort, COLUMNS) == order


@pytest.mark.parametrize(
    "sort", ["", ",", "title,", "created_at", "--title", "- title", "id", "?", "title;", "TITLE"]
)
def test_only_what_is_listed_sorts(sort):
    with pytest.raises(FieldError):
        order_of(sort, COLUMNS)


def refused(query):
    try:
        refuse_unknown(QueryDict(query), frozenset({"a", "b"}), frozenset({"b"}))
    except ApiError as error:
        return {detail["field"]: detail["code"] for detail in error.details}
    return {}


@pytest.mark.parametrize(
    ("query", "problems_found"),
    [
        ("", {}),
        ("a=1", {}),
        ("a=&b=", {}),
        ("b=1&b=2", {}),
        ("a=1&a=1", {"a": "repeated_parameter"}),
        ("c=1", {"c": "unknown_parameter"}),
        ("c", {"c": "unknown_parameter"}),
        ("A=1&a=1&a=2", {"A": "unknown_parameter", "a": "repeated_parameter"}),
        ("c=1&c=2", {"c": "unknown_parameter"}),
        ("=1", {"": "unknown_parameter"}),
        ("a[]=1", {"a[]": "unknown_parameter"}),
    ],
)
def test_what_is_unknown_or_repeated_is_refused_by_name(query, problems_found):
    assert refused(query) == problems_found


@pytest.mark.urls("core.tests.urls")
def test_a_view_of_one_object_takes_what_it_names_and_nothing_else():
    assert Client().get("/test/echo?a=1&b=2&b=3").json()["data"] == {"a": ["1"], "b": ["2", "3"]}
    assert problems(Client().get("/test/echo?a=1&c=2")) == {"c": "unknown_parameter"}


@pytest.mark.parametrize(
    ("values", "problems_found"),
    [(["x"] * 100, {}), (["x"] * 101, {"b": "max_length"}), (["x" * 10_001] * 2, {"b": "max_length"})],
)
def test_a_parameter_has_a_hundred_values_of_bounded_length(values, problems_found):
    assert refused(urlencode({"b": values}, doseq=True)) == problems_found


def test_of_many_unknown_parameters_the_first_hundred_are_named():
    assert list(refused("&".join(f"p{n}=" for n in range(1000)))) == [f"p{n}" for n in range(100)]
