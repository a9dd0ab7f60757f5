"""`sort=title` has one order on every database, by an index, whichever way the title was stored."""

import pytest
from django.core import serializers
from django.db import connection, models

from benchmarks.seeding import load_rows
from core.db.sort_keys import MAX_LENGTH, fill_sort_keys, sort_key
from core.web.text import MAX_MARKS
from resources.models import Resource
from resources.tests.factories import ResourceFactory

URL = "/api/v1/resources"
ORDER = [
    "\u0301",  # an accent alone: no letter is left
    "!important",
    "- dash",
    "\u06601 Arabic digits",  # 01
    "2 of hearts",
    "\u0661\u0660 Arabic digits",  # 10
    "10 of hearts",
    "00100 of hearts",
    "99999999999999999999999999 of hearts",
    "100000000000000000000000000 of hearts",
    "\u00c6on",
    "Ärger",
    "ARGUMENT",
    "\u200f\u202bbidi marks before it",
    "\u01c6eta",  # the digraph dž
    "file 2 b",
    "file  10 a",
    "File 10\u00a0b",
    "\ufb01lf",  # the ligature fi
    "re\u0301sume\u0301 1",
    "Résumé 2",
    "RESUME 3",
    "straße",
    "STRASSEN",
    "Ωmega",
    "яблоко",
    "שלום",
    "الف",
    "中文",
    "\U0001f600 emoji",
    "\U0001f600\ufe0f emoji",
    "\U0001f9d1\u200d\U0001f52c emoji",
]


def titles(response):
    return [row["title"] for row in response.json()["data"]]


@pytest.fixture
def listed(owner):
    """Create titles in the reverse of their order, so that no order of insertion is right by chance."""
    for title in reversed(ORDER):
        ResourceFactory(user=owner.user, title=title)
    return owner


@pytest.mark.django_db
def test_titles_have_the_same_order_on_every_database(listed):
    assert titles(listed.get(URL, {"sort": "title", "limit": 100})) == ORDER
    assert titles(listed.get(URL, {"sort": "-title", "limit": 100})) == ORDER[::-1]


@pytest.mark.django_db
@pytest.mark.parametrize("sort", ["title", "-title"])
def test_cursors_walk_through_this_order_in_both_directions(listed, sort):
    forward, cursors, cursor = [], [], ""
    while cursor is not None:
        response = listed.get(URL, {"sort": sort, "limit": 5, "cursor": cursor})
        forward += titles(response)
        cursors.append(response.json()["meta"]["prevCursor"])
        cursor = response.json()["meta"]["nextCursor"]
    back = titles(listed.get(URL, {"sort": sort, "limit": 100, "cursor": cursors[-1]}))

    assert forward == (ORDER if sort == "title" else ORDER[::-1])
    assert len(back) > 20
    assert back == forward[: len(back)]


def test_keys_are_ordered_as_their_bytes():
    keys = [sort_key(title) for title in ORDER]

    assert keys == sorted(keys, key=str.encode)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    "equal", [("Cafe\u0301", "café", "CAFE"), ("a  b", "a\u00a0b"), ("x 007", "x 7"), ("\ufb03", "FFI")]
)
def test_titles_that_differ_in_accents_case_or_spaces_alone_have_one_key(equal):
    assert {sort_key(title) for title in equal} == {sort_key(equal[0])}


@pytest.mark.parametrize(
    "title", ["\ufdfa" * 255, "1 " * 127, "9" * 255, "\U0001f600" * 255, "a" + "\u0301" * (MAX_MARKS + 9), ""]
)
def test_a_key_is_bounded(title):
    assert len(sort_key(title)) <= MAX_LENGTH


# --- every way of writing ----------------------------------------------------------------------------


def stored_key():
    return Resource.objects.values_list("title_sort", flat=True).get()


@pytest.fixture
def row(owner):
    return ResourceFactory(user=owner.user, title="First")


def by_save(row):
    row.title = "Number 7"
    row.save()


def by_save_of_the_title(row):
    row.title = "Number 7"
    row.save(update_fields=["title"])


def by_save_changes(row):
    row.title = "Number 7"
    row.save_changes("title")


def by_save_without_the_key(row):
    row = Resource.objects.defer("title_sort").get()
    row.title = "Number 7"
    row.save()


def by_save_without_the_title(row):
    Resource.objects.update(title="Number 7")
    Resource.objects.defer("title").get().save()


def by_update(row):
    Resource.objects.update(title="Number 7")


def by_bulk_update(row):
    row.title = "Number 7"
    Resource.objects.bulk_update([row], ["title"])


def by_bulk_create(row):
    row.delete()
    Resource.objects.bulk_create([Resource(user=row.user, title="Number 7")])


def by_upsert(row):
    fresh = Resource(id=row.pk, user=row.user, title="Number 7")
    Resource.objects.bulk_create(
        [fresh], update_conflicts=True, unique_fields=["id"], update_fields=["title"]
    )


def by_update_or_create(row):
    Resource.objects.update_or_create(pk=row.pk, defaults={"title": "Number 7"})


def by_compiled_insert(row):
    row.delete()
    Resource(user=row.user, title="Number 7").insert()


def by_copy(row):
    row.delete()
    load_rows([Resource(user=row.user, title="Number 7")])


def by_fixture(row):
    fields = {"user": str(row.user.pk), "title": "Number 7"}
    data = [{"model": "resources.resource", "pk": str(row.pk), "fields": fields}]
    [loaded] = serializers.deserialize("python", data)
    loaded.save()


def by_migration(row):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE resources_resource SET title = 'Number 7', title_sort = ''")
    fill_sort_keys(Resource, "default", batch_size=1)


WAYS = [way for name, way in list(globals().items()) if name.startswith("by_")]


@pytest.mark.django_db
@pytest.mark.parametrize("write", WAYS)
def test_every_way_of_writing_stores_the_key(row, write):
    write(row)

    assert stored_key() == "number 0017"


@pytest.mark.django_db
def test_an_update_by_an_expression_is_refused_rather_than_stored_without_its_key(row):
    with pytest.raises(TypeError, match="title_sort"):
        Resource.objects.update(title=models.F("content"))

    assert stored_key() == "first"


@pytest.mark.django_db
def test_the_api_stores_the_key_with_each_change(owner):
    created = owner.post(URL, {"title": "Zürich 10"}).json()["data"]["id"]
    assert stored_key() == "zurich 00210"

    owner.patch(f"{URL}/{created}", {"title": "Ärger"})
    assert stored_key() == "arger"

    data = {"method": "update", "id": created, "data": {"title": "Öl"}}
    owner.post(f"{URL}/bulk", {"operations": [data]})
    assert stored_key() == "ol"
