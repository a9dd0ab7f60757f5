"""Headers on which Django fails or that take long to read, sent through the whole WSGI application."""

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from core.tests.cost import cpu_seconds
from core.web.middleware import MAX_HEADER_LENGTH, MAX_TYPE_LENGTH, with_readable_headers

pytestmark = pytest.mark.django_db  # a connection that an earlier test has left open is looked at


def answer(path, method="GET", **environ):
    """(status, body) as a server gets it."""
    request = {**RequestFactory().generic(method, path).environ, **environ}
    statuses = []
    body = with_readable_headers(WSGIHandler())(
        request, lambda status, _headers: statuses.append(int(status[:3]))
    )
    return statuses[0], b"".join(body)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/health?a=1", "/admin/login/?next=/admin/", "/api/v1/jobs?limit=1"])
@pytest.mark.parametrize(
    "header",
    [
        *(
            f"text/plain; charset={name}"
            for name in ("base64", "hex", "undefined", "idna", "latin-1", "utf-16")
        ),
        "text/plain; charset=nothing",
        "text/plain; name*=nothing''x",
    ],
)
def test_a_charset_that_is_not_utf_8_is_refused(path, method, header):
    status, body = answer(path, method, CONTENT_TYPE=header)

    assert status == 415
    assert b"UNSUPPORTED_MEDIA_TYPE" in body


@pytest.mark.parametrize(
    "header", ["", "text/plain", "text/plain; charset=UTF-8", 'a/b; charset="utf8"; x=y']
)
def test_utf_8_is_taken(header):
    assert answer("/health?q=%C3%A9", CONTENT_TYPE=header)[0] == 200


@pytest.mark.parametrize("header", ["text/html; a*=nothing''b", ";", ",", "\xff"])
def test_an_accept_header_that_cannot_be_read_leads_to_json(header):
    status, body = answer("/nope", HTTP_ACCEPT=header)

    assert (status, body[:16]) == (404, b'{"success":false')


@pytest.mark.parametrize("name", ["ACCEPT", "AUTHORIZATION", "COOKIE", "IF_NONE_MATCH", "PREFER", "X_OTHER"])
@pytest.mark.parametrize("path", ["/health/ready", "/admin/login/", "/api/v1/jobs", "/nope"])
def test_a_header_that_is_too_long_is_refused(path, name):
    status, body = answer(path, **{f"HTTP_{name}": "x" * (MAX_HEADER_LENGTH + 1)})

    assert status == 400
    assert b"MALFORMED_REQUEST" in body
    assert b"A header is longer than" not in answer(path, **{f"HTTP_{name}": "x" * MAX_HEADER_LENGTH})[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONTENT_TYPE", 'a/b; c="' + ";" * 200_000),
        ("CONTENT_TYPE", "a/b;" + "c=d;" * 50_000),
        ("HTTP_ACCEPT", 'a/b; c="' + ";" * 200_000),
        ("HTTP_ACCEPT", 'a/b; c="' + ";" * 8000),
        ("HTTP_ACCEPT", "a/b;c=d," * 1000),
        ("HTTP_COOKIE", 'a="' + "\\0" * 100_000 + '"'),
        ("HTTP_PREFER", "handling=" + "strict " * 30_000),
    ],
    ids=lambda value: value[:20],
)
@pytest.mark.parametrize("path", ["/nope", "/api/v1/users/me"])
def test_a_hostile_header_costs_little(path, name, value):
    with cpu_seconds(0.1):
        status, _body = answer(path, **{name: value})

    assert 400 <= status < 500


def test_a_content_type_with_parameters_has_at_most_256_characters():
    header = "text/plain; a="
    header += "x" * (MAX_TYPE_LENGTH - len(header))

    assert answer("/health", CONTENT_TYPE=header)[0] == 200
    assert answer("/health", CONTENT_TYPE=header + "x")[0] == 415


@pytest.mark.parametrize("method", ["get", "Get", "gET", "head"])
@pytest.mark.parametrize("path", ["/health", "/api/v1/schema", "/"])
def test_a_method_in_lower_case_is_another_method(path, method):
    status, body = answer(path, REQUEST_METHOD=method)

    assert status == 405
    assert b"METHOD_NOT_ALLOWED" in body


@pytest.mark.parametrize("part", ["x", "r/", "%2f", "/"])
@pytest.mark.parametrize("start", ["/", "/admin/", "/api/v1/", "/static/"])
def test_a_long_path_is_not_found_at_once(start, part):
    """Django's pattern of `/admin/r/…` takes the square of the length."""
    with cpu_seconds(0.1):
        status, _body = answer(start + part * 60_000)

    assert status == 404
