"""Hostile paths, query strings and headers for every operation: no 5xx, and errors of the catalogue only."""

from urllib.parse import quote

import pytest

from config.tests import hostile, inventory
from core.tests.answers import code, problems
from core.tests.contract import problems_of

pytestmark = pytest.mark.django_db

# Names as other frameworks understand them. Each would be an operator, a relation or a column.
UNKNOWN = [
    *("filter[x]", "filter[where][role]", "name__regex", "user__password__startswith", "password", "$where"),
    *("_connector", "_negated", "__class__", "id[]", "title[ne]", "a\0b", "\u202e", "x" * 5000),
]
# Each goes to every third parameter; parameters that all lists have get all of them.
TEXTS = [
    *("", "-1", "0", "1.5", "2147483648", "9223372036854775808", "1" + "0" * 30, "9" * 5000, "abc"),
    *("NaN", "1e999", "\u0663", "a,b", ",", "(a+)+$", "a" * 199 + "!", "x" * 10_000, "'"),
    *('" OR 1=1 --', "%_\\", "a & !b:*", "-user__email", "a\0b", "\u202e\u200b"),
    *("e" + "\u0301\u0316" * 40, "2026-02-30T25:61:61Z", "9999-12-31T23:59:59-23:59", " " * 10_000),
]
# Percent-encoded bytes that are not UTF-8, and an encoding that is broken off.
RAW = ["%ff", "%ed%a0%80", "%00", "%", "%zz", "%c0%af", "%u0041"]
KEYS = [
    *("00000000-0000-0000-0000-000000000000", "1", "-1", "None", "9" * 5000, "x" * 10_000),
    *("{01890000-0000-7000-8000-000000000000}", "urn:uuid:01890000-0000-7000-8000-000000000000", "\u0663"),
    *("01890000000070008000000000000000", "\0", "\u202e", "'", "..", "a\nb", "\ufeff", "1;drop", "\\"),
]
HEADERS = [
    *("ACCEPT_LANGUAGE", "COOKIE", "IDEMPOTENCY_KEY", "IF_MATCH", "IF_NONE_MATCH", "IF_RANGE", "ORIGIN"),
    *("PREFER", "RANGE", "REFERER", "USER_AGENT", "X_CSRFTOKEN", "X_FORWARDED_FOR", "X_FORWARDED_HOST"),
    *("X_FORWARDED_PROTO", "X_HTTP_METHOD_OVERRIDE", "X_REQUEST_ID", "X_REAL_IP", "FORWARDED"),
]
# A server hands on each byte as one character.
VALUES = [
    *("", " ", "\xff\xfe", "\x00", "a\x1b[31mb", '"', '"\\', "*", ",", ";", "=", "x" * 8000, "," * 8000),
    *('"' * 8000, ";" * 8000, 'a="' + "\\" * 8000, "bytes=" + "0-," * 2000, "handling=" + " " * 8000),
    *("Bearer " + "a." * 4000, "9" * 8000, "'; DROP TABLE x --", "\xed\xa0\x80", "http://[::1", "//"),
]


def plain(name, caller):
    return name.split()[0], hostile.path_of(name, caller)


def converted(text, schema):
    """Return the value of a parameter as the document describes it."""
    kind = schema.get("type")
    if kind == "array":
        return [converted(text, schema["items"])]
    try:
        return {"integer": int, "number": float}.get(kind, str)(text)
    except ValueError:
        return text


WITH_QUERY = [name for name in hostile.OPERATIONS if hostile.parameters(name)]


@pytest.mark.parametrize("name", WITH_QUERY)
def test_no_value_of_a_parameter_makes_an_operation_fail(admin, name):
    """Each parameter with each value alone. What is accepted fits the document; what is refused is named."""
    method, path = plain(name, admin)
    for number, (parameter, schema) in enumerate(hostile.parameters(name).items()):
        for text in hostile.share(TEXTS, name, number):
            response = hostile.send(admin, method, f"{path}?{quote(parameter)}={quote(text)}")
            if code_of(response) == "VALIDATION_ERROR" and method == "GET":
                assert set(problems(response)) == {parameter}, text
            elif response.status_code < 400:  # white space around a text does not count
                assert problems_of(converted(text.strip(), schema), schema) == [], (parameter, text)
        for raw in hostile.share(RAW, name, number):
            hostile.send(admin, method, f"{path}?{quote(parameter)}={raw}&{raw}={raw}")


def code_of(response):
    return code(response)[1] if response.status_code >= 400 else None


@pytest.mark.parametrize("name", WITH_QUERY)
def test_a_parameter_that_is_given_twice_is_one_list_or_refused(admin, name):
    method, path = plain(name, admin)
    for parameter, schema in hostile.parameters(name).items():
        if schema.get("type") != "array" and not name.endswith(hostile.BY_TOKEN):
            response = hostile.send(admin, method, f"{path}?{quote(parameter)}=1&{quote(parameter)}=2")
            assert problems(response) == {parameter: "repeated_parameter"}


@pytest.mark.parametrize("name", [name for name in hostile.OPERATIONS if not name.endswith(hostile.BY_TOKEN)])
def test_names_of_other_frameworks_are_unknown(admin, name):
    method, path = plain(name, admin)
    query = "&".join(f"{quote(parameter)}=OR" for parameter in UNKNOWN)
    found = problems(hostile.send(admin, method, f"{path}?{query}"))

    assert set(found.values()) == {"unknown_parameter"}
    assert len(found) == len(UNKNOWN)


WITH_FIELDS = [name for name in WITH_QUERY if name.startswith("GET") and "fields" in hostile.parameters(name)]


@pytest.mark.parametrize("name", WITH_FIELDS)
def test_no_304_hides_a_wrong_parameter(admin, name):
    method, path = plain(name, admin)
    response = hostile.send(admin, method, f"{path}?fields=nothing", HTTP_IF_NONE_MATCH="*")

    assert set(problems(response)) == {"fields"}


@pytest.mark.parametrize("name", [name for name in hostile.OPERATIONS if "{" in name])
def test_what_is_no_key_is_not_found(admin, name):
    """Also in a path whose other keys exist."""
    method, path = plain(name, admin)
    variables = hostile.VARIABLE.findall(name)
    exact = [part for part in path.split("/") if part not in name]
    assert len(exact) == len(variables)
    for key in exact:
        number = exact.index(key)
        some = [quote(text, safe="") for text in hostile.share(KEYS, name, number)]
        for wrong in (*some, *hostile.share(RAW, name, number), "..%2f..%2fetc", hostile.unknown_id()):
            response = hostile.send(admin, method, path.replace(key, wrong), valid(name, admin))
            assert code(response) in {(404, "NOT_FOUND"), (405, "METHOD_NOT_ALLOWED")}, wrong


def valid(name, caller):
    body = hostile.JSON in hostile.content_of(name)
    return hostile.encoded(hostile.body_of(name, caller)) if body else b""


def sent(caller, name, **headers):
    return hostile.send(caller, *plain(name, caller), valid(name, caller), **headers)


@pytest.mark.parametrize("name", hostile.OPERATIONS)
def test_no_values_of_headers_make_an_operation_fail(admin, name):
    """All headers at once, each with another value, in three ways."""
    start = list(hostile.OPERATIONS).index(name)
    for way in range(3):
        headers = {
            f"HTTP_{header}": VALUES[(start + way * 7 + number) % len(VALUES)]
            for number, header in enumerate(HEADERS)
        }
        code_of(sent(admin, name, **headers))


@pytest.mark.parametrize("header", [*HEADERS, "ACCEPT", "AUTHORIZATION", "CONTENT_ENCODING"])
def test_no_value_of_a_header_makes_a_read_fail(admin, header):
    for value in VALUES[len(header) % 2 :: 2]:
        code_of(sent(admin, "GET /api/v1/users/me", **{f"HTTP_{header}": value}))


IN_DOCUMENT = {name.split()[1] for name in hostile.OPERATIONS}
PAGES = [path for path in inventory.routes() if "{" not in path and path not in IN_DOCUMENT]


@pytest.mark.parametrize("path", PAGES)
def test_nothing_makes_another_route_fail(admin, path, settings):
    """Pages, downloads, health and metrics."""
    settings.METRICS_TOKEN = "metrics-token"
    for text in (*map(quote, TEXTS[::3]), *RAW):
        hostile.send(admin, "GET", f"{path}?token={text}&next={text}&{text}")
    for value in VALUES:
        headers = {f"HTTP_{name}": value for name in (*HEADERS, "ACCEPT")}
        hostile.send(admin, "GET", path, **headers)
        hostile.send(admin, "GET", path, HTTP_AUTHORIZATION=f"Bearer {value}")
