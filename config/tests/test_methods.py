"""Methods of HTTP on every route: what a route does not have is a 405, and no header or field makes another of it."""

import pytest
from django.test import Client

from config.tests import hostile, inventory
from core.tests.answers import code

pytestmark = pytest.mark.django_db

OTHERS = ["TRACE", "CONNECT", "FOO", "PROPFIND", "GETT"]
OVERRIDES = {
    f"HTTP_X_{name}": "DELETE" for name in ("HTTP_METHOD_OVERRIDE", "METHOD_OVERRIDE", "HTTP_METHOD")
} | {"HTTP__METHOD": "DELETE"}
PATHS = {
    path: path.replace("{id}", hostile.unknown_id())
    for path in inventory.routes()
    if not path.endswith(hostile.BY_TOKEN)
}
READ = [
    name for name in hostile.OPERATIONS if name.startswith("GET ") and not name.endswith(hostile.BY_TOKEN)
]


@pytest.mark.parametrize("path", PATHS)
def test_a_method_that_no_route_has_is_refused_with_those_that_are_allowed(admin, path):
    for method in OTHERS:
        response = hostile.send(admin, method, PATHS[path])
        assert code(response) == (405, "METHOD_NOT_ALLOWED")
        assert "OPTIONS" in response["Allow"].split(", ")
        assert method not in response["Allow"].split(", ")


@pytest.mark.parametrize("path", PATHS)
def test_head_is_get_without_a_body_and_options_works(admin, path):
    allowed = hostile.send(admin, "OPTIONS", PATHS[path])
    assert allowed.status_code in {200, 204}
    if "GET" in allowed["Allow"].split(", "):
        read, head = (hostile.send(admin, method, PATHS[path]) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (read.status_code, b"")


@pytest.mark.parametrize("name", READ)
def test_a_method_cannot_be_overridden(admin, name):
    path = hostile.path_of(name, admin)
    plain = hostile.send(admin, "GET", path).status_code

    for header, method in OVERRIDES.items():
        assert hostile.send(admin, "GET", path, **{header: method}).status_code == plain
    body = b"_method=GET"
    form = hostile.send(admin, "POST", path, body, "application/x-www-form-urlencoded", **OVERRIDES)
    assert form.status_code in {400, 405, 415}, "a POST is not read as a GET"
    assert hostile.send(admin, "GET", path).status_code == plain


def test_a_page_has_no_other_methods_either():
    for path in ("/", "/api/docs", "/account/reset-password"):
        assert code(Client().generic("DELETE", path)) == (405, "METHOD_NOT_ALLOWED")
