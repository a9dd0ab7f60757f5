"""The lists of the admin show nothing but their declared filters, search and columns."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.test import RequestFactory

from accounts.models import Session, User
from accounts.tests.factories import OneTimeTokenFactory, UserFactory
from config.admin import Site
from config.tests.office import is_secret, paths, registered
from core.admin.base import BaseAdmin
from core.outbox.models import OutboxMessage
from core.tests.office import allow, browser_of, rows, url_of
from resources.models import Resource

pytestmark = pytest.mark.django_db

LOOKUPS = ("", "__exact", "__startswith", "__gt", "__in", "__isnull", "__regex", "__year")
DECLARED = {
    "accounts.User": {"role__exact", "role__isnull"},
    "accounts.Session": {"user__id__exact"},
    "core_jobs.Job": {"status__exact", "status__isnull", "kind"},
    "core_outbox.OutboxMessage": {"status__exact", "status__isnull", "kind"},
    "core_audit.AuditEvent": {"event"},
    "core_webhooks.Webhook": {
        *("is_active__exact", "is_active__isnull", "all_users__exact", "all_users__isnull"),
    },
    "core_webhooks.WebhookDelivery": {"status__exact", "status__isnull"},
    "accounts_api_keys.ApiKey": {"user__id__exact"},
    "accounts_oidc.Identity": {"user__id__exact"},
    "resources.Resource": {"status__exact", "status__isnull"},
}


@pytest.fixture
def browser(admin):
    return browser_of(admin.user)


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_a_list_allows_its_declared_filters_and_nothing_else(model, admin):
    request = RequestFactory().get("/")
    request.user = admin.user
    model_admin = admin_of(model)
    allowed = {
        f"{path}{lookup}"
        for path in {*paths(model), "pk", "user__pk", "user__id"}
        for lookup in LOOKUPS
        if model_admin.lookup_allowed(f"{path}{lookup}", "x", request)
    }

    assert allowed == DECLARED.get(model._meta.label, set())


def admin_of(model):
    return admin.site.get_model_admin(model)


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_a_filter_that_is_not_declared_is_refused(model, browser):
    for path in paths(model, depth=1):
        response = browser.get(url_of(model), {f"{path}__startswith": "a"})
        assert (path, response.status_code) == (path, 400)


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_no_filter_reaches_a_secret_over_relations(model, browser):
    for path in filter(is_secret, paths(model)):
        response = browser.get(url_of(model), {f"{path}__startswith": "a"})
        assert (path, response.status_code) == (path, 400)


def test_the_walk_over_relations_reaches_secrets():
    assert {"password", "sessions__refresh_hash", "one_time_tokens__token_hash"} <= set(paths(User))
    assert {"user__password", "user__sessions__previous_hash"} <= set(paths(Resource))


def test_a_hash_cannot_be_guessed_by_prefix_filters(staff):
    browser = browser_of(allow(staff.user, "accounts.view_user"))
    user = UserFactory()
    for prefix in (user.password[:12], "nothing"):
        assert browser.get(url_of(User), {"password__startswith": prefix}).status_code == 400


@pytest.mark.parametrize("name", ["password", "refresh_hash", "email", "nothing"])
def test_a_popup_refers_to_keys_only(browser, name):
    for model in registered():
        assert browser.get(url_of(model), {"_popup": "1", "_to_field": name}).status_code == 400


def test_no_list_shows_searches_or_sorts_by_a_secret():
    for model in registered():
        options = admin_of(model)
        shown = (*options.list_display, *options.ordering, *options.search_fields, *options.search_keys)
        known = (
            {"payload"} if model is OutboxMessage else set()
        )  # holds no secret; see core/outbox/services.py
        assert {name for name in shown if is_secret(str(name).strip("-=^"))} <= known
        assert not options.list_editable
        assert options.date_hierarchy is None


def test_only_columns_of_the_list_can_be_sorted_by(browser):
    first, second = UserFactory(password="a"), UserFactory(password="b")
    plain = [user.pk for user in rows(browser.get(url_of(User)))]

    for order in ("password", "-password", "99", "sessions__refresh_hash"):
        assert [user.pk for user in rows(browser.get(url_of(User), {"o": order}))] == plain
    assert {first.pk, second.pk} <= set(plain)


def test_the_search_does_not_match_hashes(browser):
    token = OneTimeTokenFactory()
    for model in registered():
        for text in (token.token_hash, token.user.password, f"{0:064x}"):
            assert rows(browser.get(url_of(model), {"q": text})) == []


@pytest.mark.parametrize(
    "field",
    [
        ("accounts", "session", "user"),
        ("accounts", "onetimetoken", "user"),
        ("accounts", "user", "sessions"),
        ("accounts", "user", "groups"),
        ("admin", "logentry", "user"),
        ("resources", "resource", "nothing"),
        ("nothing", "resource", "user"),
    ],
)
def test_autocomplete_serves_declared_fields_only(browser, field):
    query = dict(zip(("app_label", "model_name", "field_name"), field, strict=True), term="a")

    assert browser.get("/admin/autocomplete/", query).status_code == 403


def test_autocomplete_requires_the_permission_to_edit_the_field(staff):
    browser = browser_of(allow(staff.user, "accounts.view_user"))
    query = {"app_label": "resources", "model_name": "resource", "field_name": "user", "term": "a"}
    assert browser.get("/admin/autocomplete/", query).status_code == 403

    browser = browser_of(User.objects.get(pk=staff.user.pk))
    staff.user.groups.get().permissions.add(Permission.objects.get(codename="add_resource"))
    assert browser.get("/admin/autocomplete/", query).status_code == 200


def test_sessions_of_one_user_are_listed_by_a_declared_filter(browser, owner, stranger):
    response = browser.get(url_of(Session), {"user__id__exact": owner.user.pk})

    assert [session.user_id for session in rows(response)] == [owner.user.pk]
    assert owner.user.email in response.content.decode()


# --- admins of others -----------------------------------------------------------------------------


def test_every_registered_admin_has_a_base_of_the_project():
    assert [model for model in registered() if not isinstance(admin_of(model), BaseAdmin)] == []


def test_the_check_names_an_admin_without_such_a_base():
    site = Site("other")
    site.register(ContentType, admin.ModelAdmin)
    [problem] = [options for options in site.check(None) if options.id == "config.E001"]

    assert "contenttypes.ContentType" in problem.msg
