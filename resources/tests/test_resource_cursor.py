"""`cursor=` walks a list of any length and sort, both ways, while others write to it."""

from itertools import chain

import pytest

from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/resources"


@pytest.fixture
def many(owner):
    """Create eleven rows, with ties in title and status."""
    return [
        ResourceFactory(user=owner.user, title=f"t{number % 3}", status=Resource.Status.values[number % 2])
        for number in range(11)
    ]


def page(caller, cursor, **query):
    response = caller.get(URL, {"limit": 3, "cursor": cursor, **query})
    assert response.status_code == 200, response.content
    body = response.json()
    return [row["id"] for row in body["data"]], body["meta"]


def walk(caller, **query):
    """Return every page from the start to the end."""
    pages, cursor = [], ""
    while cursor is not None:
        ids, meta = page(caller, cursor, **query)
        pages.append(ids)
        cursor = meta["nextCursor"]
    return pages


SORTS = [
    "-createdAt",
    "createdAt",
    "title",
    "-title",
    "status,-title",
    "-status,createdAt,title",
    "updatedAt",
]


@pytest.mark.parametrize("sort", SORTS)
def test_cursors_return_the_rows_of_numbered_pages(owner, many, sort):
    listed = [row["id"] for row in owner.get(URL, {"sort": sort, "limit": 100}).json()["data"]]

    assert list(chain.from_iterable(walk(owner, sort=sort))) == listed


@pytest.mark.parametrize("sort", SORTS)
def test_previous_pages_equal_the_pages_of_the_way_forward(owner, many, sort):
    there = walk(owner, sort=sort)
    last = owner.get(URL, {"limit": 3, "sort": sort, "cursor": ""})
    for _ in there[1:]:
        last = owner.get(URL, {"limit": 3, "sort": sort, "cursor": last.json()["meta"]["nextCursor"]})
    back, cursor = [], last.json()["meta"]["prevCursor"]
    while cursor is not None:
        ids, meta = page(owner, cursor, sort=sort)
        back.append(ids)
        cursor = meta["prevCursor"]

    assert list(reversed(back)) == there[:-1]


def test_meta_has_no_total(owner, many):
    _, meta = page(owner, "")

    assert meta.keys() == {"limit", "nextCursor", "prevCursor"}
    assert meta["prevCursor"] is None


def test_an_empty_list_ends_at_once(owner):
    assert page(owner, "") == ([], {"limit": 3, "nextCursor": None, "prevCursor": None})


def test_created_and_deleted_rows_do_not_repeat_or_hide_others(owner, many):
    first, meta = page(owner, "")
    ResourceFactory(user=owner.user)  # before the page: the newest comes first
    Resource.objects.get(pk=first[-1]).soft_delete()  # the row of the cursor itself
    rest, cursor = [], meta["nextCursor"]
    while cursor is not None:
        ids, meta = page(owner, cursor)
        rest += ids
        cursor = meta["nextCursor"]

    assert first + rest == [str(row.pk) for row in reversed(many)]


def test_filters_apply_to_every_page(owner, many):
    assert sum(map(len, walk(owner, status="draft"))) == 6


@pytest.mark.parametrize("cursor", ["x", "WyJuIl0:abc:def", "n" * 3000])
def test_an_invalid_cursor_is_refused(owner, many, cursor):
    response = owner.get(URL, {"cursor": cursor})

    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"] == "cursor"


def test_a_cursor_with_one_changed_character_is_refused(owner, many):
    cursor = page(owner, "")[1]["nextCursor"]
    other = "A" if cursor[5] != "A" else "B"

    assert owner.get(URL, {"cursor": cursor[:5] + other + cursor[6:]}).status_code == 400


def test_a_cursor_of_another_sort_is_refused(owner, many):
    cursor = page(owner, "")[1]["nextCursor"]

    assert owner.get(URL, {"cursor": cursor, "sort": "title"}).status_code == 400


def test_cursor_and_page_exclude_each_other(owner):
    assert owner.get(URL, {"cursor": "", "page": 1}).status_code == 400


def test_a_cursor_of_another_user_shows_own_rows_only(owner, many, stranger):
    cursor = page(owner, "")[1]["nextCursor"]

    assert page(stranger, cursor)[0] == []


def test_a_page_costs_no_count(owner, many, django_assert_max_num_queries):
    cursor = page(owner, "")[1]["nextCursor"]
    with django_assert_max_num_queries(3):
        page(owner, cursor)
