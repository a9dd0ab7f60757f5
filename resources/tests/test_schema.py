"""The OpenAPI document of the resources: its names, and that requests and responses are as it describes them."""

import pytest

from core.tests.contract import contradictions, document, problems_of
from resources.tests.factories import ResourceFactory

RESOURCES = "/api/v1/resources"
# Clients are generated from these names: a change breaks them, and must be deliberate.
NAMES = {
    *("listResources", "createResource", "getResource", "replaceResource", "updateResource"),
    *("deleteResource", "listResourceTrash", "restoreResource"),
    *("listTags", "getTag", "updateTag", "deleteTag"),
}


def assert_described(response, status):
    assert response.status_code == status, response.content
    assert contradictions(response) == []


def test_operations_have_the_names_that_clients_know():
    names = {operation["operationId"] for item in document()["paths"].values() for operation in item.values()}

    assert names >= NAMES


def test_an_object_in_a_response_has_all_of_its_fields():
    for name in ("Resource", "Tag"):
        schema = document()["components"]["schemas"][name]
        assert set(schema["required"]) == set(schema["properties"]), name


def test_objects_are_as_described(owner, stranger):
    created = owner.post(RESOURCES, {"title": "One", "tags": ["a"]})
    url = created["Location"]

    assert_described(created, 201)
    assert_described(owner.get(url), 200)
    assert_described(owner.head(url), 200)
    assert_described(owner.get(url, HTTP_IF_NONE_MATCH=created["ETag"]), 304)
    assert_described(owner.put(url, {"title": "Two"}, HTTP_IF_MATCH='"stale"'), 412)
    assert_described(owner.patch(url, {"title": ""}), 400)
    assert_described(owner.post(RESOURCES, "<xml/>", content_type="text/xml"), 415)
    assert_described(stranger.get(url), 404)
    assert_described(owner.delete(url), 204)


def test_a_repeated_request_is_as_described(owner):
    for title, status in (("One", 201), ("One", 201), ("Two", 422)):
        response = owner.post(RESOURCES, {"title": title}, HTTP_IDEMPOTENCY_KEY="key")
        assert_described(response, status)


def test_lists_are_as_described(owner):
    ResourceFactory(user=owner.user, tags=["a"])

    for query in ("", "?cursor=", "?fields=title", "?page=9&limit=1", "?status=draft&status=archived&tag=a"):
        assert_described(owner.get(RESOURCES + query), 200)
    assert_described(owner.get(f"{RESOURCES}?scope=all"), 403)
    assert_described(owner.get(f"{RESOURCES}?pagee=1"), 400)
    assert_described(owner.get(RESOURCES, HTTP_ACCEPT="text/xml"), 406)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("title", text) for text in ("x", " x ", "x" * 255, "", " \t", "x" * 256, "a\x00", None, 1)),
        *(("content", text) for text in ("", " ", "x" * 100_000, "x" * 100_001, "a\x00", None)),
        *(("status", text) for text in ("draft", "archived", "Draft", "", None)),
        *(("tags", names) for names in ([], ["a"] * 20, ["x" * 50], [""], ["x" * 51], "a", None)),
        ("tags", [*"abcdefghijklmnopqrstu"]),
    ],
)
def test_a_resource_is_accepted_if_and_only_if_the_schema_allows_it(owner, field, value):
    body = {"title": "One", field: value}
    allowed = problems_of(body, {"$ref": "#/components/schemas/ResourceRequest"}) == []

    assert (owner.post(RESOURCES, body).status_code == 201) == allowed
