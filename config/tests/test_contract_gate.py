"""`.ci/contract.py`: which changes of the OpenAPI document break a client."""

import copy
import json
import sys
from typing import Any

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator

sys.path.insert(0, str(settings.BASE_DIR / ".ci"))

from contract import main

TEXT = {"type": "string", "maxLength": 200}
DATE = {"type": "string", "format": "date-time"}
NOTE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": TEXT,
        "kind": {"type": "string", "enum": ["a", "b"]},
        "size": {"type": "integer"},
        "dueAt": DATE,
        "tags": {"type": "array", "items": TEXT},
        "value": {"anyOf": [{"type": "integer"}, {"type": "boolean"}, DATE]},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "closed": {"type": "object", "properties": {}, "additionalProperties": False},
    },
    "required": ["title", "size"],
}
BEARER: dict[str, Any] = {"bearer": []}
COOKIE: dict[str, Any] = {"cookie": [], "csrf": []}
JSON, CSV = "application/json", "text/csv"
DOCUMENT = {
    "paths": {
        "/notes": {
            "parameters": [{"in": "header", "name": "X-Team", "schema": TEXT}],
            "get": {
                "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer"}}],
                "responses": {
                    "200": {
                        "headers": {"ETag": {"required": True, "schema": TEXT}},
                        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Note"}}, CSV: {}},
                    },
                    "304": {},
                },
            },
            "post": {
                "security": [BEARER, COOKIE],
                "requestBody": {"content": {JSON: {"schema": NOTE}, CSV: {}}},
                "responses": {"201": {"description": "Created."}},
            },
        }
    },
    "components": {
        "schemas": {
            "Note": {
                **NOTE,
                "properties": {**NOTE["properties"], "parent": {"$ref": "#/components/schemas/Note"}},
            }
        },
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
    },
}
GET, POST = "paths./notes.get", "paths./notes.post"
ANSWER = f"{GET}.responses.200"
READ = "components.schemas.Note"
BODY = f"{POST}.requestBody.content.{JSON}.schema"


def changed(place, value, document=DOCUMENT):
    """Return the document with another value at this place; None deletes it."""
    document = json.loads(json.dumps(document))  # a copy whose parts are not shared
    *path, last = place.split(".")
    item = document
    for part in path:
        item = item[int(part) if part.isdigit() and isinstance(item, list) else part]
    if value is None:
        del item[last]
    else:
        item[last] = value
    return document


@pytest.fixture
def compare(tmp_path, capsys):
    """Compare two documents as `make check` does, and return what is printed."""

    def run(old, new):
        for name, document in (("old", old), ("new", new)):
            (tmp_path / name).write_text(json.dumps(document, default=str))
        status = main([str(tmp_path / "old"), str(tmp_path / "new")])
        printed = capsys.readouterr().out
        assert status == bool(printed)
        return printed.replace("contract: breaks clients: ", "").splitlines()

    return run


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (GET, None, "removed"),
        (f"{GET}.parameters", [], "query parameter limit removed"),
        (f"{GET}.parameters.0.required", True, "query parameter limit is required"),
        (f"{GET}.parameters.0.style", "deepObject", "query parameter limit is written in another form"),
        (f"{GET}.parameters.0.schema.minimum", 1, "parameter limit has minimum 1"),
        (f"{GET}.security", [BEARER], "refuses a caller with no credentials"),
        (f"{GET}.responses.202", {}, "may respond 202"),
        (f"{GET}.responses.302", {}, "may respond 302"),
        (f"{ANSWER}.headers", {}, "200 has no header ETag"),
        (f"{ANSWER}.headers.ETag.required", None, "200 may have no header ETag"),
        (f"{ANSWER}.headers.ETag.schema.type", "integer", "200 header ETag may be integer"),
        (f"{ANSWER}.content.{CSV}", None, "200 is no longer text/csv"),
        (f"{ANSWER}.content.{JSON}", {}, "200 may be any value"),
        (f"{READ}.properties.kind", None, "200.kind removed"),
        (f"{READ}.properties.title.type", ["string", "null"], "200.title may be null"),
        (f"{READ}.properties.size.type", "number", "200.size may be number"),
        (f"{READ}.properties.kind.enum", ["a", "b", "c"], "200.kind may be c"),
        (f"{READ}.properties.kind.enum", None, "200.kind may be any value"),
        (f"{READ}.properties.dueAt.format", "date", "200.dueAt no longer has format date-time"),
        (f"{READ}.properties.dueAt.format", None, "200.dueAt no longer has format date-time"),
        (f"{READ}.properties.dueAt", {"type": "integer"}, "200.dueAt may be integer"),
        (f"{READ}.properties.tags.items", None, "200.tags[] may be any value"),
        (f"{READ}.properties.tags.items.type", "integer", "200.tags[] may be integer"),
        (f"{READ}.properties.value.anyOf.2.format", "date", "200.value(2) no longer has format date-time"),
        (f"{READ}.properties.value.anyOf.2.type", "null", "200.value may be null"),
        (f"{READ}.properties.labels.additionalProperties", None, "200.labels.* may be any value"),
        (f"{READ}.properties.closed.additionalProperties", True, "200.closed may have further fields"),
        (
            f"{READ}.properties.closed.properties.new",
            TEXT,
            "200.closed.new added, where no further field may be",
        ),
        (
            f"{READ}.properties.labels.properties",
            {"new": {"type": "integer"}},
            "200.labels.new may be integer",
        ),
        (f"{READ}.required", ["title"], "200.size is no longer always there"),
    ],
)
def test_what_breaks_a_reader_is_named(compare, place, value, text):
    assert compare(DOCUMENT, changed(place, value)) == [f"GET /notes: {text}"]


@pytest.mark.parametrize(
    ("place", "value", "text"),
    [
        (f"{POST}.responses", {}, "201 removed"),
        (f"{POST}.security", [BEARER], "refuses a caller with cookie and csrf"),
        (f"{POST}.security", [{"bearer": ["write"]}, COOKIE], "refuses a caller with bearer"),
        (f"{POST}.requestBody.required", True, "the body is required"),
        (f"{POST}.requestBody.content.{CSV}", None, "a body of text/csv is refused"),
        (f"{POST}.requestBody.content.{CSV}.schema", {"type": "string"}, "body must be string"),
        (f"{BODY}.required", ["title", "size", "kind"], "body.kind is required"),
        (f"{BODY}.additionalProperties", False, "body may no longer have further fields"),
        (f"{BODY}.additionalProperties", {"type": "string"}, "body.* must be string"),
        (f"{BODY}.properties.labels.additionalProperties.maxLength", 9, "body.labels.* has maxLength 9"),
        (f"{BODY}.properties.title.maxLength", 100, "body.title has maxLength 100"),
        (f"{BODY}.properties.title.pattern", "^x", "body.title has pattern ^x"),
        (f"{BODY}.properties.size.exclusiveMinimum", 0, "body.size has exclusiveMinimum 0"),
        (f"{BODY}.properties.size.exclusiveMaximum", 9, "body.size has exclusiveMaximum 9"),
        (f"{BODY}.properties.size.multipleOf", 2, "body.size has multipleOf 2"),
        (f"{BODY}.properties.tags.uniqueItems", True, "body.tags has uniqueItems True"),
        (f"{BODY}.properties.tags.items.maxLength", 9, "body.tags[] has maxLength 9"),
        (f"{BODY}.properties.title.format", "uuid", "body.title has format uuid"),
        (f"{BODY}.properties.kind.enum", ["a"], "body.kind may no longer be b"),
        (f"{BODY}.properties.title.enum", ["x"], "body.title must be one of x"),
        (f"{BODY}.properties.title.type", "integer", "body.title may no longer be string"),
        (
            f"{BODY}.properties.value.anyOf",
            [{"type": "integer"}, DATE],
            "body.value may no longer be boolean",
        ),
        (f"{BODY}.properties.value.anyOf.0.minimum", 1, "body.value(0) has minimum 1"),
    ],
)
def test_what_breaks_a_writer_is_named(compare, place, value, text):
    assert compare(DOCUMENT, changed(place, value)) == [f"POST /notes: {text}"]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (f"{READ}.properties.new", TEXT),
        (f"{READ}.properties.kind.enum", ["a"]),
        (f"{READ}.properties.title.format", "uuid"),
        (f"{READ}.properties.value.anyOf", [{"type": "integer"}]),
        (f"{READ}.properties.value.anyOf", [DATE, {"type": "boolean"}, {"type": "integer"}]),
        (f"{READ}.properties.value", {"type": ["integer", "boolean"]}),
        (f"{READ}.additionalProperties", False),
        (f"{ANSWER}.headers.Link", {"schema": TEXT}),
        (f"{GET}.responses.206", {}),
        (f"{BODY}.properties.new", TEXT),
        (f"{BODY}.required", ["title"]),
        (f"{BODY}.properties.title.maxLength", 300),
        (f"{BODY}.properties.title.type", ["string", "null"]),
        (f"{BODY}.properties.title.format", "int64"),
        (f"{BODY}.properties.size.type", "number"),
        (f"{BODY}.properties.size", {"anyOf": [{"type": "null"}, {"type": "integer"}]}),
        (f"{BODY}.properties.kind.enum", ["a", "b", "c"]),
        (f"{BODY}.properties.dueAt.format", None),
        (f"{BODY}.properties.tags.items", None),
        (f"{BODY}.properties.closed.additionalProperties", None),
        (f"{POST}.security", []),
        (f"{POST}.security", [COOKIE, BEARER, {"key": []}]),
        ("paths./notes.patch", {"responses": {}}),
    ],
)
def test_what_a_client_need_not_know_is_no_change(compare, place, value):
    assert compare(DOCUMENT, changed(place, value)) == []


def test_parameters_of_a_path_are_those_of_each_operation(compare):
    assert compare(DOCUMENT, changed("paths./notes.parameters", None)) == [
        "GET /notes: header parameter X-Team removed",
        "POST /notes: header parameter X-Team removed",
    ]


def test_another_kind_of_credentials_is_named(compare):
    new = changed("components.securitySchemes.bearer.scheme", "basic")

    assert compare(DOCUMENT, new) == ["security scheme bearer has scheme basic"]


def test_a_schema_that_two_operations_share_is_compared_for_each(compare):
    shared = {"content": {JSON: {"schema": {"$ref": "#/components/schemas/Note"}}}}
    old = changed("paths./notes.post.requestBody", shared)
    old["paths"]["/notes"]["put"] = {"requestBody": shared, "responses": {}}
    new = json.loads(json.dumps(old))
    for method, name in (("post", "kind"), ("put", "size")):
        other = {**NOTE, "properties": {**old["components"]["schemas"]["Note"]["properties"]}}
        del other["properties"][name]
        new["paths"]["/notes"][method]["requestBody"]["content"][JSON]["schema"] = other

    assert {"PUT /notes: body.size removed", "POST /notes: body.kind removed"} <= {*compare(old, new)}


def test_the_document_of_this_project_is_compared_as_a_whole(compare):
    document = SchemaGenerator().get_schema(request=None, public=True)
    lacking = copy.deepcopy(document)
    lacking["components"]["schemas"]["Role"]["enum"].append("owner")

    assert compare(document, document) == []
    assert any("may be owner" in line for line in compare(document, lacking))
