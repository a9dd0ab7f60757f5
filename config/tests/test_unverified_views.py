"""Views that admit a user with an unverified address under REQUIRE_VERIFIED_EMAIL: `/auth` and `/users/me`."""

import pytest

from config.tests import inventory

pytestmark = pytest.mark.django_db


def admits_unverified(callback):
    view = callback.cls(**callback.initkwargs)
    return getattr(view, "admits_unverified", False) or not view.get_authenticators()


def test_only_the_own_account_and_its_sessions_are_open():
    views = {path: callback for path, callback in inventory.routes().items() if hasattr(callback, "cls")}
    open_paths = {path for path, callback in views.items() if admits_unverified(callback)}

    # An undo is of a deleted account, and takes no session.
    others = {"/api/v1/users/me", "/api/v1/users/undelete"}
    assert open_paths == {path for path in views if path.startswith("/api/v1/auth/")} | others


def test_every_route_refuses_as_the_declaration_says(settings, owner):
    """Compiled reads and attachments too: no code of a view runs before the authentication."""
    settings.REQUIRE_VERIFIED_EMAIL = True
    for path, callback in inventory.routes().items():
        if not hasattr(callback, "cls") or admits_unverified(callback):
            continue
        method = next(iter(getattr(callback, "actions", None) or {"get": ""}))
        if method == "post" and path == "/api/v1/users":
            continue
        response = getattr(owner, method)(path.format(id=owner.user.pk))
        assert response.status_code == 403, (method, path)
        assert response.json()["error"]["code"] == "EMAIL_UNVERIFIED"
