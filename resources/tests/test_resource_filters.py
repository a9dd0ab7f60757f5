from datetime import timedelta

import pytest

from core.api.filtersets import FilterSet
from core.tests.answers import names, problems
from resources.models import Resource, Tag
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


@pytest.fixture
def three(owner):
    for title, status, tags in [
        ("a", "draft", ["red"]),
        ("b", "published", ["red", "blue"]),
        ("c", "archived", ["blue"]),
    ]:
        ResourceFactory(user=owner.user, title=title, status=status, tags=tags)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=draft", ["a"]),
        ("status=draft&status=archived", ["a", "c"]),
        ("status=draft&status=draft", ["a"]),
        ("status=draft&status=archived&status=published", ["a", "b", "c"]),
        ("tag=red", ["a", "b"]),
        ("tag=RED", ["a", "b"]),
        ("tag=%20red%20", ["a", "b"]),
        ("tag=red&tag=blue", ["b"]),
        ("tag=re", []),
        ("tag=red&tag=green", []),
        ("tag=red&status=published", ["b"]),
        ("status=published&status=archived&tag=blue", ["b", "c"]),
        ("status[in]=draft,archived", ["a", "c"]),
        ("status%5Bin%5D=draft&status%5Bin%5D=published,archived", ["a", "b", "c"]),
        ("status[in]=draft,archived&status=archived&status=published", ["c"]),
    ],
)
def test_any_of_the_statuses_and_all_of_the_tags(owner, three, query, expected):
    response = owner.get(f"{URL}?sort=title&{query}")

    assert names(response) == expected
    assert response.json()["meta"]["total"] == len(expected)


@pytest.mark.parametrize("query", ["status=", "status=draft&status=x", "status=Draft", "status=%00"])
def test_an_unknown_status_is_refused(owner, query):
    assert problems(owner.get(f"{URL}?{query}")) == {"status": "invalid_choice"}


@pytest.mark.parametrize(
    ("text", "problem"), [("draft,x", "invalid_choice"), ("", "invalid"), ("draft,", "invalid")]
)
def test_an_unknown_status_in_a_list_is_refused(owner, text, problem):
    assert problems(owner.get(URL, {"status[in]": text})) == {"status[in]": problem}


@pytest.mark.parametrize("tag", ["a\x00", "x" * 201])
def test_an_invalid_tag_is_refused(owner, tag):
    assert problems(owner.get(URL, {"tag": tag})) == {"tag": "invalid"}


def test_a_tag_of_another_user_with_the_same_name_does_not_match(owner, stranger, three):
    ResourceFactory(user=stranger.user, title="theirs", tags=["red"])

    assert names(owner.get(URL, {"tag": "red", "sort": "title"})) == ["a", "b"]


# --- times ----------------------------------------------------------------------------------------


@pytest.fixture
def moments(owner):
    """Create three rows an hour apart, `createdAt` and `updatedAt` alike."""
    rows = [ResourceFactory(user=owner.user, title=title) for title in "abc"]
    middle = rows[1].created_at
    for hours, row in zip((-1, 0, 1), rows, strict=True):
        moment = middle + timedelta(hours=hours)
        Resource.objects.filter(pk=row.pk).update(created_at=moment, updated_at=moment)
    return middle


@pytest.mark.parametrize("field", ["created", "updated"])
@pytest.mark.parametrize(
    ("bound", "shift", "expected"),
    [("After", 0, ["b", "c"]), ("After", 1, ["c"]), ("Before", 0, ["a"]), ("Before", 1, ["a", "b"])],
)
def test_after_is_inclusive_and_before_is_exclusive(owner, moments, field, bound, shift, expected):
    moment = moments + timedelta(microseconds=shift)
    response = owner.get(URL, {f"{field}{bound}": moment.isoformat(), "sort": "title"})

    assert names(response) == expected


@pytest.mark.parametrize("field", ["createdAt", "updatedAt"])
@pytest.mark.parametrize(
    ("operator", "expected"), [("gte", ["b", "c"]), ("gt", ["c"]), ("lte", ["a", "b"]), ("lt", ["a"])]
)
def test_times_have_operators(owner, moments, field, operator, expected):
    assert names(owner.get(URL, {f"{field}[{operator}]": moments.isoformat(), "sort": "title"})) == expected


def test_both_bounds_make_a_window(owner, moments):
    query = {
        "createdAfter": moments.isoformat(),
        "createdBefore": (moments + timedelta(minutes=1)).isoformat(),
    }

    assert names(owner.get(URL, query)) == ["b"]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f+00:00"]
)
def test_every_iso_8601_form_is_accepted_and_means_utc_without_an_offset(owner, moments, form):
    assert names(owner.get(URL, {"createdBefore": moments.strftime(form)})) == ["a"]


def test_an_offset_is_applied(owner, moments):
    shifted = (moments + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "+02:00"

    assert names(owner.get(URL, {"createdBefore": shifted})) == ["a"]


def test_a_returned_time_can_be_sent_as_a_filter(owner, moments):
    created = owner.get(URL, {"sort": "title"}).json()["data"][1]["createdAt"]

    assert names(owner.get(URL, {"createdAfter": created, "sort": "title"})) == ["b", "c"]


@pytest.mark.parametrize(
    "moment",
    [
        "",
        "yesterday",
        "2024-13-01",
        "2024-01-01T25:00:00Z",
        "1700000000",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "12024-01-01T00:00:00Z",
        "\x00",
    ],
)
@pytest.mark.parametrize("name", ["createdAfter", "updatedBefore", "createdAt[gte]"])
def test_an_invalid_time_is_refused(owner, name, moment):
    assert problems(owner.get(URL, {name: moment})) == {name: "invalid"}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_last_year_are_accepted(owner, moment):
    assert owner.get(URL, {"createdBefore": moment}).status_code == 200


def test_a_search_over_a_relation_shows_a_row_once(owner):
    class ByTitle(FilterSet):
        search_fields = ("resources__title",)

        class Meta:
            model = Tag
            fields = ()

    for number in range(2):
        ResourceFactory(user=owner.user, title=f"Alike {number}", tags=["red"])

    assert [tag.name for tag in ByTitle({"search": "alike"}, Tag.objects.all()).qs] == ["red"]
    assert not ByTitle({"search": "other"}, Tag.objects.all()).qs
