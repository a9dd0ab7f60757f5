import pytest

from core.tests.answers import code, names, problems
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


def make(user, *titles, **values):
    return [ResourceFactory(user=user, title=title, **values) for title in titles]


# --- pages ----------------------------------------------------------------------------------------


def test_the_newest_come_first(owner):
    make(owner.user, "one", "two", "three")

    assert names(owner.get(URL)) == ["three", "two", "one"]


def test_a_page_has_20_rows_by_default(owner):
    make(owner.user, *map(str, range(21)))
    response = owner.get(URL)

    assert len(names(response)) == 20
    assert response.json()["meta"] == {"page": 1, "limit": 20, "total": 21, "totalPages": 2}


def test_the_last_page_holds_the_rest(owner):
    make(owner.user, *map(str, range(5)))
    response = owner.get(URL, {"page": 3, "limit": 2})

    assert names(response) == ["0"]
    assert response.json()["meta"] == {"page": 3, "limit": 2, "total": 5, "totalPages": 3}


def test_a_page_past_the_end_is_empty(owner):
    make(owner.user, "one")
    response = owner.get(URL, {"page": 10**14})

    assert names(response) == []
    assert response.json()["meta"] == {"page": 10**14, "limit": 20, "total": 1, "totalPages": 1}


def test_an_empty_list_has_no_pages(owner):
    assert owner.get(URL).json() == {
        "success": True,
        "data": [],
        "meta": {"page": 1, "limit": 20, "total": 0, "totalPages": 0},
    }


@pytest.mark.parametrize("limit", [1, 100])
def test_a_limit_from_1_to_100_is_accepted(owner, limit):
    assert owner.get(URL, {"limit": limit}).json()["meta"]["limit"] == limit


@pytest.mark.parametrize("name", ["page", "limit"])
@pytest.mark.parametrize("value", ["0", "-1", "abc", "", "1.0", "1e2", " 1", "٣", "9" * 16, "9" * 5000])
def test_any_other_page_or_limit_is_refused(owner, name, value):
    assert problems(owner.get(URL, {name: value})) == {name: "invalid"}


def test_a_limit_over_100_is_refused(owner):
    assert problems(owner.get(URL, {"limit": 101})) == {"limit": "invalid"}


# --- order ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("title", ["a", "b", "c"]),
        ("-title", ["c", "b", "a"]),
        ("createdAt", ["b", "c", "a"]),
        ("-createdAt", ["a", "c", "b"]),
        ("updatedAt", ["c", "a", "b"]),
        ("-updatedAt", ["b", "a", "c"]),
    ],
)
def test_sorts_by_every_field_both_ways(owner, sort, order):
    b, c, a = make(owner.user, "b", "c", "a")
    b.save_changes("title")

    assert names(owner.get(URL, {"sort": sort})) == order
    assert c.created_at < a.created_at


def test_sorts_by_several_fields(owner):
    for title, status in [("b", "draft"), ("a", "draft"), ("c", "archived"), ("d", "published")]:
        ResourceFactory(user=owner.user, title=title, status=status)

    assert names(owner.get(URL, {"sort": "status,-title"})) == ["c", "b", "a", "d"]
    assert names(owner.get(URL, {"sort": "-status, title"})) == ["d", "a", "b", "c"]


@pytest.mark.parametrize("sort", ["title", "-title", "status,title", "-createdAt"])
def test_rows_with_equal_values_are_seen_once_each_over_all_pages(owner, sort):
    rows = make(owner.user, *["same"] * 30)
    # Every other row moves in the table, which shuffles the rows of a database without a tie-breaker.
    moment = rows[0].created_at
    Resource.objects.filter(pk__in=[row.pk for row in rows[::2]]).update(created_at=moment, updated_at=moment)
    Resource.objects.update(created_at=moment)
    seen = [
        row["id"]
        for page in range(1, 12)
        for row in owner.get(URL, {"sort": sort, "page": page, "limit": 3}).json()["data"]
    ]

    expected = sorted(str(row.pk) for row in rows)
    assert seen == (expected[::-1] if sort.startswith("-") else expected)


@pytest.mark.parametrize(
    "sort",
    [
        "",
        "password",
        "-user__email",
        "id;drop",
        "a.b",
        "?",
        "created_at",
        "--title",
        "title,",
        "+title",
        "Title",
    ],
)
def test_any_other_sort_is_refused(owner, sort):
    assert problems(owner.get(URL, {"sort": sort})) == {"sort": "invalid"}


def test_a_hundred_times_the_same_key_sorts_by_it_once(owner):
    make(owner.user, "b", "a")

    assert names(owner.get(URL, {"sort": ",".join(["title"] * 100)})) == ["a", "b"]


# --- whose ----------------------------------------------------------------------------------------


def test_lists_own_resources_only(owner, stranger):
    make(owner.user, "mine")
    make(stranger.user, "theirs")
    response = owner.get(URL)

    assert names(response) == ["mine"]
    assert response.json()["meta"]["total"] == 1


def test_an_admin_sees_own_resources_by_default(owner, admin):
    make(owner.user, "theirs")
    make(admin.user, "mine")

    assert names(admin.get(URL)) == ["mine"]


def test_an_admin_sees_all_resources_with_scope_all(owner, admin):
    make(owner.user, "theirs")
    make(admin.user, "mine")

    assert names(admin.get(URL, {"scope": "all"})) == ["mine", "theirs"]


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_scope_all_is_for_admins(request, who):
    assert code(request.getfixturevalue(who).get(URL, {"scope": "all"})) == (403, "FORBIDDEN")


@pytest.mark.parametrize("who", ["owner", "admin"])
@pytest.mark.parametrize("scope", ["", "mine", "ALL"])
def test_any_other_scope_is_refused(request, who, scope):
    assert problems(request.getfixturevalue(who).get(URL, {"scope": scope})) == {"scope": "invalid"}


def test_resources_in_the_trash_are_not_listed_in_any_scope(admin):
    present, gone = make(admin.user, "kept", "gone")
    gone.soft_delete()

    assert names(admin.get(URL)) == ["kept"]
    assert names(admin.get(URL, {"scope": "all"})) == ["kept"]
    assert present.deleted_at is None


# --- parts ----------------------------------------------------------------------------------------


def test_fields_narrows_the_rows_and_keeps_the_id(owner):
    [row] = make(owner.user, "one", tags=["red"])
    response = owner.get(URL, {"fields": "title, tags"})

    assert response.json()["data"] == [{"id": str(row.pk), "title": "one", "tags": ["red"]}]


def test_repeated_names_are_one_list(owner):
    for title, status in [("b", "draft"), ("a", "draft"), ("c", "archived")]:
        ResourceFactory(user=owner.user, title=title, status=status)
    repeated = owner.get(f"{URL}?fields=title&fields=status,userId&sort=status&sort=-title")
    with_commas = owner.get(f"{URL}?fields=title,status,userId&sort=status,-title")

    assert names(repeated) == ["c", "b", "a"]
    assert repeated.json() == with_commas.json()


@pytest.mark.parametrize("query", ["sort=title&sort=", "sort=title&sort=nope", "fields=&fields=title"])
def test_each_of_the_repeated_names_must_be_known(owner, query):
    assert problems(owner.get(f"{URL}?{query}")) == {query.partition("=")[0]: "invalid"}


@pytest.mark.parametrize("fields", ["", "title,", "password", "title,user__email", "created_at"])
def test_an_unknown_field_is_refused(owner, fields):
    assert problems(owner.get(URL, {"fields": fields})) == {"fields": "invalid"}


def test_rows_equal_their_details_without_the_attachments(owner):
    [row] = make(owner.user, "one", content="text", tags=["b", "a"])
    detail = owner.get(f"{URL}/{row.pk}").json()["data"]
    assert detail.pop("attachments") == []

    assert owner.get(URL).json()["data"] == [detail]


# --- strictness -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "statu",
        "filter[x]",
        "title__regex",
        "user__password__startswith",
        "_connector",
        "_negated",
        "cursor ",
        "ids",
    ],
)
def test_an_unknown_parameter_is_named(owner, name):
    make(owner.user, "one")

    assert problems(owner.get(URL, {name: "OR"})) == {name: "unknown_parameter"}


def test_every_unknown_parameter_is_named_at_once(owner):
    assert problems(owner.get(f"{URL}?a=1&b=2&page=1")) == {
        "a": "unknown_parameter",
        "b": "unknown_parameter",
    }


@pytest.mark.parametrize("name", ["page", "limit", "cursor", "search", "scope", "createdAfter"])
def test_a_parameter_that_is_given_twice_is_refused(owner, name):
    assert problems(owner.get(f"{URL}?{name}=1&{name}=1")) == {name: "repeated_parameter"}


def test_head_returns_the_headers_of_get_without_the_body(owner):
    make(owner.user, "one")
    head, get = owner.head(URL), owner.get(URL)

    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Type"] == get["Content-Type"]


def test_options_names_the_methods(owner, anonymous):
    assert owner.options(URL)["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert anonymous.options(URL).status_code == 200
