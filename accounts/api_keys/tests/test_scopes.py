"""Which scope a request with a key needs, over every route of the URL configuration."""

from uuid import uuid4

import pytest
from django.urls import get_resolver

from accounts.tests.checks import API, data, event, refusal
from core.api.scopes import SAFE_METHODS, all_scopes, name_of, routes
from core.jobs.models import Job

pytestmark = pytest.mark.django_db

# What a request gets before its key is looked at: these read no credentials, or those of their body alone.
PUBLIC = frozenset(
    {
        *("register", "login", "refresh", "forgot-password", "reset-password", "verify-email"),
        *("undo-email-change", "not-me", "undelete", "oidc", "start", "finish"),
    }
)
MANAGES_ACCOUNT = ("api/v1/auth/", "api/v1/users")


def operations():
    """Yield (method, path, view class, action) of every operation of the API that accepts credentials."""
    for route, pattern in routes(get_resolver()):
        view_class = getattr(pattern.callback, "cls", None)
        if view_class is None or route.rpartition("/")[2] in PUBLIC or "auth/passkeys/" in route:
            continue
        actions = getattr(pattern.callback, "actions", None) or {
            name: name
            for name in view_class.http_method_names
            if hasattr(view_class, name) and name != "options"
        }
        path = "/".join(str(uuid4()) if "<" in part else part for part in route.split("/"))
        for method, action in actions.items():
            if method not in {"head", "options"}:
                yield method.upper(), f"/{path}", view_class, action


OPERATIONS = list(operations())


def test_every_path_that_manages_an_account_refuses_a_key(admin, key_of, rates):
    rates(key=1000, anon=1000)
    program = key_of(admin.user)
    paths = [each for each in OPERATIONS if each[1][1:].startswith(MANAGES_ACCOUNT)]
    assert len(paths) > 15

    for method, path, _view, _action in paths:
        response = program.generic(method, path, "{}", content_type="application/json")
        if (method, path) == ("GET", f"{API}/users/me"):
            assert response.status_code == 200
        else:
            assert refusal(response) == (403, "FORBIDDEN"), (method, path)


def test_every_other_operation_needs_the_scope_of_its_path_and_method(owner, key_of, rates):
    rates(key=1000)
    program = key_of(owner.user, "nothing:read")
    checked = 0
    for method, path, view, action in OPERATIONS:
        name = name_of(view)
        if name is None:
            continue
        verb = "read" if method in SAFE_METHODS or action in view.key_reads else "write"
        response = program.generic(method, path, "{}", content_type="application/json")
        assert refusal(response) == (403, "FORBIDDEN"), (method, path)
        [detail] = response.json()["error"]["details"]
        assert (detail["field"], detail["code"]) == ("scopes", f"{name}:{verb}"), (method, path)
        assert f"{name}:{verb}" in all_scopes()
        checked += 1
    assert checked or not all_scopes()


def test_no_scope_opens_accounts_or_jobs():
    assert not {"users", "sessions", "api-keys", "jobs", "auth", "me"} & {
        scope.partition(":")[0] for scope in all_scopes()
    }


def test_a_refused_request_is_audited_as_one_of_its_user(owner, key_of):
    program = key_of(owner.user)

    program.get(f"{API}/auth/sessions")

    assert event("access.refused").actor_id == owner.user.pk


def test_options_needs_no_scope(owner, key_of):
    assert key_of(owner.user, "nothing:read").options(f"{API}/jobs").status_code == 200


# --- jobs ------------------------------------------------------------------------------------------


@pytest.fixture
def jobs(owner, monkeypatch):
    monkeypatch.setattr("core.jobs.views.scopes_of_kinds", lambda: {"invoice": "invoices", "order": "orders"})
    kinds = ("invoice.export", "order.export", "invoicing.export", "other.export")
    return {kind: Job.objects.create(user=owner.user, kind=kind, parameters={}) for kind in kinds}


def test_a_list_of_jobs_has_those_of_the_scopes_of_the_key(owner, stranger, key_of, jobs):
    def kinds(caller):
        return {job["kind"] for job in data(caller.get(f"{API}/jobs"))}

    assert kinds(owner) == set(jobs)
    assert kinds(key_of(owner.user, "invoices:read")) == {"invoice.export"}
    assert kinds(key_of(owner.user, "invoices:write")) == set()
    assert kinds(key_of(stranger.user, "invoices:read")) == set()
    assert kinds(owner) == set(jobs)


def test_a_job_needs_the_scope_of_its_kind(owner, key_of, jobs):
    path = f"{API}/jobs/{jobs['invoice.export'].pk}"
    reader, other = key_of(owner.user, "invoices:read"), key_of(owner.user, "orders:read", "orders:write")

    assert data(reader.get(path))["kind"] == "invoice.export"
    refused = [other.get(path), reader.delete(path), reader.get(f"{API}/jobs/{jobs['other.export'].pk}")]
    assert [refusal(response) for response in refused] == [(403, "FORBIDDEN")] * 3
    codes = [[detail["code"] for detail in response.json()["error"]["details"]] for response in refused]
    assert codes == [["invoices:read"], ["invoices:write"], []]
    assert key_of(owner.user, "invoices:write").delete(path).status_code == 204
