"""Hostile bodies for every operation: no 5xx, and nothing is accepted that the document does not allow."""

import pytest

from config.tests import hostile
from core.tests.answers import code, problems
from core.tests.contract import problems_of

pytestmark = pytest.mark.django_db

WITH_JSON = hostile.with_json()
# core/api/tests/test_parsers.py has more of them, for the one parser that every operation must use.
MALFORMED = {
    "truncated": b'{"email": "a',
    "byte order mark": b'\xef\xbb\xbf{"title": "x"}',
    "null": b"null",
    "list": b"[]",
    "not a number": b'{"limit": NaN}',
    "5000 digits": b'{"limit": ' + b"9" * 5000 + b"}",
    "33 levels": b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
    "100,000 levels": b'{"a":' * 100_000,
    "key twice": b'{"role": "user", "role": "admin"}',
    "NUL": b'{"title": "\x00"}',
    "invalid UTF-8": b'{"title": "\xed\xa0\x80"}',
}
UNNEEDED = (MALFORMED["truncated"], MALFORMED["100,000 levels"], b'{"a": "\\u0000"}', b'{"limit": 1e999}')
CONTENT_TYPES: list[object] = [
    "",
    "application/json,application/json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "application/yaml",
    "application/x-python-serialize",
    *(f"application/json; charset={charset}" for charset in ("utf-16", "bz2_codec", "foo")),
]
TYPES: list[object] = [None, True, 12, 1.5, "", [], {}]
# Each goes to every third field.
VALUES = [
    *(-1, 2**31, 2**63, 10**30, -1e308, [None], [[[]]], ["x"] * 200, {"a": {"b": [1]}}, {"$ne": None}),
    *("12", "nan", "x" * 300, "9" * 5000, "\u202e\u200b", "e" + "\u0301\u0316" * 40, "\U0010ffff", " "),
]
# Filters of an export are those of a query: a number or a boolean counts as its text, null as left out (docs/api.md).
EXPORT = "/export"
UNSTORABLE = ["a\0b", "\udc00\ud800"]


@pytest.fixture
def caller(admin):
    return admin


def test_there_are_bodies_and_fields():
    assert {"POST /api/v1/auth/login", "PATCH /api/v1/users/me"} <= set(WITH_JSON)
    for name in WITH_JSON:
        if name.endswith("/bulk"):
            schema = hostile.content_of(name)[hostile.JSON]["schema"]
            assert ("operations", 0, "data") in set(hostile.places(schema))


@pytest.mark.parametrize("name", WITH_JSON)
def test_what_is_no_json_object_is_malformed(caller, name):
    method, path = name.split()[0], hostile.path_of(name, caller)
    statuses = {kind: code(hostile.send(caller, method, path, body)) for kind, body in MALFORMED.items()}

    assert statuses == dict.fromkeys(MALFORMED, (400, "MALFORMED_REQUEST"))


@pytest.mark.parametrize("name", sorted({*WITH_JSON, *hostile.with_files()}))
def test_a_body_in_another_form_or_encoding_is_refused(caller, name):
    method, path = name.split()[0], hostile.path_of(name, caller)
    for content_type in CONTENT_TYPES:
        response = hostile.send(caller, method, path, b'{"a": 1}', content_type)
        assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE"), content_type
    for encoding in ("gzip", "deflate", "br", "zstd", "identity, gzip"):
        for content_type in hostile.content_of(name):
            kind = f"{content_type}; boundary=b" if content_type.startswith("multipart/") else content_type
            response = hostile.send(caller, method, path, b"\x1f\x8b", kind, HTTP_CONTENT_ENCODING=encoding)
            assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE"), (content_type, encoding)


@pytest.mark.parametrize("name", WITH_JSON)
def test_no_value_of_a_field_makes_an_operation_fail(caller, name):
    """Each field alone with each value. What is accepted fits the document."""
    method, path = name.split()[0], hostile.path_of(name, caller)
    schema, valid = hostile.content_of(name)[hostile.JSON]["schema"], hostile.body_of(name, caller)
    for number, (place, field) in enumerate(dict(hostile.fields(schema)).items()):
        for value in (*TYPES, *hostile.share(VALUES, name, number)):
            body = hostile.replaced(valid, place, value)
            response = hostile.send(caller, method, path, hostile.encoded(body))
            if response.status_code >= 400:
                assert code(response)[1], (place, value)
            elif not name.endswith(EXPORT) or isinstance(value, str | list | dict):
                # A decimal is described as a string, and a filter of an export is a text as in a query.
                if field.get("format") == "decimal" and isinstance(value, int | float):
                    body = hostile.replaced(valid, place, str(value))
                elif name.endswith(EXPORT) and field.get("type") in {"number", "integer"}:
                    body = hostile.replaced(valid, place, float(value))
                assert problems_of(body, schema) == [], (place, value)


@pytest.mark.parametrize("name", WITH_JSON)
def test_what_no_database_stores_is_refused_in_values_and_keys(caller, name):
    method, path = name.split()[0], hostile.path_of(name, caller)
    schema, valid = hostile.content_of(name)[hostile.JSON]["schema"], hostile.body_of(name, caller)
    for text in UNSTORABLE:
        for place in dict.fromkeys(hostile.places(schema)):
            body = hostile.encoded(hostile.replaced(valid, place, text))
            field = ".".join(map(str, place))
            assert problems(hostile.send(caller, method, path, body)) == {field: "invalid_characters"}
        for body in ({text: 1}, {"unknown": {"a": [{text: 1}]}}):
            response = hostile.send(caller, method, path, hostile.encoded(valid | body))
            assert set(problems(response).values()) == {"invalid_characters"}


@pytest.mark.parametrize("name", sorted(set(hostile.OPERATIONS) - set(WITH_JSON)))
def test_a_body_that_an_operation_does_not_need_makes_none_fail(caller, name):
    method, path = name.split()[0], hostile.path_of(name, caller)
    for body in UNNEEDED:
        response = hostile.send(caller, method, path, body)
        if response.status_code >= 400:
            assert code(response)[1], body
