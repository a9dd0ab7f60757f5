import pytest

from core.audit.models import AuditEvent
from core.tests.answers import code, names, problems
from resources.models import Resource, Tag
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/tags"
RESOURCES = "/api/v1/resources"


@pytest.fixture
def red(owner):
    return TagFactory(user=owner.user, name="red")


# --- names, as they come with a resource ----------------------------------------------------------


def tags_of(response):
    assert response.status_code == 201, response.content
    return response.json()["data"]["tags"]


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (["b", "a"], ["b", "a"]),
        ([" Red ", "RED", "red"], ["red"]),
        (["ÄÖÜ"], ["äöü"]),
        (["new york"], ["new york"]),
        (["x" * 50], ["x" * 50]),
        ([" " + "X" * 50 + " "], ["x" * 50]),
        (["a,b", "c++", "#1", "日本"], ["a,b", "c++", "#1", "日本"]),
        ([], []),
    ],
)
def test_names_are_trimmed_lower_cased_and_stored_once_in_order(owner, given, stored):
    response = owner.post(RESOURCES, {"title": "x", "tags": given})

    assert tags_of(response) == stored
    assert owner.get(response["Location"]).json()["data"]["tags"] == stored


def test_one_name_in_two_spellings_of_unicode_is_one_tag(owner):
    assert tags_of(owner.post(RESOURCES, {"title": "x", "tags": ["cafe\u0301", "caf\u00e9"]})) == [
        "caf\u00e9"
    ]
    assert len(names(owner.get(RESOURCES, {"tag": "cafe\u0301"}))) == 1


def test_a_resource_has_at_most_20_tags(owner):
    assert len(tags_of(owner.post(RESOURCES, {"title": "x", "tags": [f"t{n}" for n in range(20)]}))) == 20
    response = owner.post(RESOURCES, {"title": "x", "tags": [f"t{n}" for n in range(21)]})
    assert problems(response) == {"tags": "max_length"}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "blank"),
        ("  ", "blank"),
        ("x" * 51, "max_length"),
        ("İ" * 50, "max_length"),  # a letter that lower-casing makes two
        (1, "invalid"),
        (None, "null"),
        (["a"], "invalid"),
        ({}, "invalid"),
    ],
)
def test_an_invalid_name_is_refused_with_its_index(owner, name, why):
    assert problems(owner.post(RESOURCES, {"title": "x", "tags": ["ok", name]})) == {"tags.1": why}
    assert not Tag.objects.exists()


@pytest.mark.parametrize("tags", ["red", {"0": "red"}, 1, True])
def test_tags_are_a_list(owner, tags):
    assert problems(owner.post(RESOURCES, {"title": "x", "tags": tags})) == {"tags": "not_a_list"}


# --- the list -------------------------------------------------------------------------------------


def test_lists_by_name_with_the_number_of_resources_not_deleted(owner, red):
    ResourceFactory(user=owner.user, tags=["blue", "green"])
    ResourceFactory(user=owner.user, tags=["blue"])
    ResourceFactory(user=owner.user, tags=["blue", "green"]).soft_delete()
    rows = owner.get(URL).json()["data"]

    assert [(row["name"], row["resourceCount"]) for row in rows] == [("blue", 2), ("green", 1), ("red", 0)]
    assert list(rows[0]) == ["id", "name", "resourceCount", "version", "createdAt", "updatedAt"]


def test_has_the_pages_sorts_and_filters_of_a_list(owner):
    for name in ("ab", "ac", "b"):
        TagFactory(user=owner.user, name=name)

    assert names(owner.get(URL, {"sort": "-name"}), "name") == ["b", "ac", "ab"]
    assert names(owner.get(URL, {"sort": "createdAt"}), "name") == ["ab", "ac", "b"]
    assert names(owner.get(URL, {"search": "a"}), "name") == ["ab", "ac"]
    assert names(owner.get(URL, {"limit": 1, "page": 2}), "name") == ["ac"]
    assert owner.get(URL, {"fields": "name", "search": "b"}).json()["data"][0].keys() == {"id", "name"}


@pytest.mark.parametrize("search", ["%", "_", "\\"])
def test_punctuation_in_a_search_is_plain_text(owner, red, search):
    assert names(owner.get(URL, {"search": search}), "name") == []


def test_a_search_ignores_case(owner, red):
    assert names(owner.get(URL, {"search": "RE"}), "name") == ["red"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"sort": "resourceCount"}, {"sort": "invalid"}),
        ({"status": "draft"}, {"status": "unknown_parameter"}),
        ({"search": "x" * 201}, {"search": "max_length"}),
        ({"fields": "user"}, {"fields": "invalid"}),
    ],
)
def test_wrong_parameters_are_refused(owner, query, why):
    assert problems(owner.get(URL, query)) == why


def test_tags_are_created_with_resources_only(owner):
    assert code(owner.post(URL, {"name": "x"})) == (405, "METHOD_NOT_ALLOWED")


# --- one tag --------------------------------------------------------------------------------------


def test_shows_a_tag(owner):
    ResourceFactory(user=owner.user, tags=["red"])
    row = owner.get(URL).json()["data"][0]
    response = owner.get(f"{URL}/{row['id']}")

    assert response.json()["data"] == row
    assert response["ETag"]


def test_renames_a_tag(owner, red):
    response = owner.patch(f"{URL}/{red.pk}", {"name": "  BLUE "})

    assert (response.status_code, response.json()["data"]["name"]) == (200, "blue")
    assert names(owner.get(URL), "name") == ["blue"]
    assert AuditEvent.objects.get(event__startswith="tag.").changes == {"name": ["red", "blue"]}


def test_a_rename_shows_on_every_tagged_resource(owner):
    resource = ResourceFactory(user=owner.user, title="One", tags=["a", "red", "z"])
    other = ResourceFactory(user=owner.user, title="Two", tags=["a"])
    tag = Tag.objects.get(name="red")
    before = owner.get(f"{RESOURCES}/{resource.pk}")
    owner.patch(f"{URL}/{tag.pk}", {"name": "blue"})
    after = owner.get(f"{RESOURCES}/{resource.pk}")

    assert after.json()["data"]["tags"] == ["a", "blue", "z"]
    assert after["ETag"] != before["ETag"]
    assert after.json()["data"]["updatedAt"] > before.json()["data"]["updatedAt"]
    assert owner.get(f"{RESOURCES}/{other.pk}")["ETag"] == other.etag


def test_a_rename_updates_the_search(owner):
    ResourceFactory(user=owner.user, title="One", content="text", tags=["red"])
    owner.patch(f"{URL}/{Tag.objects.get().pk}", {"name": "blue"})

    results = [names(owner.get(RESOURCES, {"search": text})) for text in ("red", "blue", "text", "one")]
    assert results == [[], ["One"], ["One"], ["One"]]
    assert names(owner.get(RESOURCES, {"tag": "blue"})) == ["One"]


def test_a_taken_name_is_a_conflict_and_changes_nothing(owner, red):
    resource = ResourceFactory(user=owner.user, tags=["blue"])
    blue = Tag.objects.get(name="blue")

    assert code(owner.patch(f"{URL}/{blue.pk}", {"name": "Red"})) == (409, "CONFLICT")
    assert owner.get(f"{RESOURCES}/{resource.pk}").json()["data"]["tags"] == ["blue"]
    assert owner.get(f"{RESOURCES}/{resource.pk}")["ETag"] == resource.etag


def test_the_same_name_again_changes_nothing(owner, red):
    response = owner.patch(f"{URL}/{red.pk}", {"name": "RED"})

    assert response["ETag"] == red.etag
    assert not AuditEvent.objects.filter(event__startswith="tag.").exists()


def test_a_name_of_another_user_is_free(owner, stranger, red):
    theirs = TagFactory(user=stranger.user, name="blue")

    assert stranger.patch(f"{URL}/{theirs.pk}", {"name": "red"}).status_code == 200


@pytest.mark.parametrize(
    ("name", "why"), [("", "blank"), ("x" * 51, "max_length"), (None, "null"), (7, "invalid")]
)
def test_an_invalid_name_is_refused(owner, red, name, why):
    assert problems(owner.patch(f"{URL}/{red.pk}", {"name": name})) == {"name": why}


# --- deletion -------------------------------------------------------------------------------------


def test_deletes_an_unused_tag(owner, red):
    assert owner.delete(f"{URL}/{red.pk}").status_code == 204
    assert not Tag.objects.exists()
    assert AuditEvent.objects.get(event="tag.deleted").target_id == red.pk


def test_a_tag_in_use_cannot_be_deleted(owner):
    resource = ResourceFactory(user=owner.user, tags=["red"])
    tag = Tag.objects.get()

    assert code(owner.delete(f"{URL}/{tag.pk}")) == (409, "CONFLICT")
    owner.patch(f"{RESOURCES}/{resource.pk}", {"tags": []})
    assert owner.delete(f"{URL}/{tag.pk}").status_code == 204


def test_a_tag_of_a_resource_in_the_trash_can_be_deleted(owner):
    resource = ResourceFactory(user=owner.user, title="One", tags=["red", "blue"])
    resource.soft_delete()

    assert owner.delete(f"{URL}/{Tag.objects.get(name='red').pk}").status_code == 204
    assert owner.post(f"{RESOURCES}/{resource.pk}/restore").json()["data"]["tags"] == ["blue"]
    assert names(owner.get(RESOURCES, {"search": "red"})) == []
    assert names(owner.get(RESOURCES, {"search": "blue"})) == ["One"]


def test_a_name_is_free_again_after_deletion(owner, red):
    owner.delete(f"{URL}/{red.pk}")

    assert tags_of(owner.post(RESOURCES, {"title": "x", "tags": ["red"]})) == ["red"]
    assert Resource.objects.get().tags.get().pk != red.pk
