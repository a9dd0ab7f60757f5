"""Headers on which Django fails before any middleware, sent through the whole WSGI application."""

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from core.web.middleware import with_readable_type

pytestmark = pytest.mark.django_db  # a connection that an earlier test has left open is looked at


def answer(path, method="GET", **environ):
    """(status, body) as a server gets it."""
    request = {**RequestFactory().generic(method, path).environ, **environ}
    statuses = []
    body = with_readable_type(WSGIHandler())(
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
