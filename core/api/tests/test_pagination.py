import pytest
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from core.api.pagination import Pagination, read_integer
from core.outbox.models import OutboxMessage
from core.tests.factories import OutboxMessageFactory
from core.web.errors import FieldError

pytestmark = pytest.mark.django_db


def asking(**query):
    return Request(APIRequestFactory().get("/", query))


def page_of(**query):
    pagination = Pagination()
    rows = pagination.paginate_queryset(OutboxMessage.objects.order_by("kind"), asking(**query))
    return [row.kind for row in rows], pagination.get_paginated_response([]).meta


@pytest.fixture
def seven():
    for n in range(7):
        OutboxMessageFactory(kind=f"test.{n}")


@pytest.mark.parametrize(
    ("page", "kinds"), [(1, ["test.0", "test.1", "test.2"]), (3, ["test.6"]), (4, []), (10**15 - 1, [])]
)
def test_pages_are_counted_from_one_and_end_in_nothing(seven, page, kinds):
    assert page_of(page=page, limit=3) == (kinds, {"page": page, "limit": 3, "total": 7, "totalPages": 3})


@pytest.mark.parametrize(("limit", "pages"), [(1, 7), (6, 2), (7, 1), (8, 1), (100, 1)])
def test_the_number_of_pages_is_rounded_up(seven, limit, pages):
    assert page_of(limit=limit)[1]["totalPages"] == pages


def test_past_the_end_the_rows_are_not_asked_for(seven, django_assert_num_queries):
    with django_assert_num_queries(1):
        page_of(page=9)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("007", 7), ("50", 50)])
def test_a_number_is_read(text, value):
    assert read_integer(asking(n=text), "n", 3, 50) == value
    assert read_integer(asking(), "n", 3, 50) == 3


@pytest.mark.parametrize(
    "text", ["", "0", "51", "-1", "+1", "1.0", "0x1", "1_0", "１", "९", "1 ", "one", "9" * 100]
)
def test_anything_else_is_a_wrong_field(text):
    with pytest.raises(FieldError) as refusal:
        read_integer(asking(n=text), "n", 3, 50)
    assert refusal.value.details[0]["field"] == "n"
