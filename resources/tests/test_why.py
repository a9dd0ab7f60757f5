"""`manage.py why USER METHOD PATH`: which clause of the declaration admits or refuses."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db


def why(user, method, path):
    printed = StringIO()
    call_command("why", user, method, path, stdout=printed)
    return printed.getvalue()


@pytest.fixture
def path(owner):
    return f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}"


def test_the_owner_is_admitted_by_owner(owner, path):
    text = why(owner.user.email, "PATCH", path)

    assert "read, owner='user': admits" in text
    assert "write, owner='user': admits" in text
    assert text.endswith("  admitted\n")


def test_an_admin_is_admitted_by_role(admin, path):
    assert "read, read_all=frozenset({'admin'}): admits" in why(str(admin.user.pk), "GET", path)


def test_a_stranger_is_not_admitted(stranger, path):
    text = why(stranger.user.email, "GET", f"{path}/attachments")

    assert "read, owner='user': does not admit" in text
    assert text.endswith("refused: 404, since the caller may not read the row\n")


def test_a_refusing_permission_is_named(owner, path):
    assert why(owner.user.email, "GET", "/api/v1/users").endswith("IsAdmin: refuses\n  refused: 403\n")
    assert why("anonymous", "GET", path).endswith("IsAuthenticated: refuses\n  refused: 401\n")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("PUT", "/api/v1/resources"), ("GET", "/health/live")]
)
def test_an_unknown_route_is_an_error(owner, method, path):
    with pytest.raises(CommandError, match=path):
        why(owner.user.email, method, path)
