"""No text reaches normalisation before its length is checked, by any endpoint. The tests check the arguments of
`unicodedata.normalize`: its cost grows with the square of a run of combining marks."""

import ast

import pytest
from django.contrib import admin as django_admin
from django.test import Client

from accounts.models import User
from accounts.services.passwords import issue_token
from accounts.tests.checks import API, NEW_PASSWORD, problems
from accounts.tests.factories import PASSWORD, UserFactory
from config.tests import inventory
from config.tests.office import registered
from core.tests.normalisation import HOSTILE
from core.tests.office import browser_of, errors, messages_of, url_of
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db

RUN = "e" + "\u0301\u0316" * 20  # short enough for every field
LONG = next(iter(HOSTILE.values()))
TEXTS = [RUN, *HOSTILE.values()]
NAMES = ["short", *HOSTILE]
REGISTRATION = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann Able"}
CODES = {"invalid_characters", "max_length"}


def refused_fields(response):
    """Return the fields that were refused for the length or the combining marks of their text."""
    return {field for field, code in problems(response) if code in CODES}


# --- the source -----------------------------------------------------------------------------------


def test_only_one_module_normalises():
    forbidden = {"normalize", "casefold", "is_normalized"}
    callers = set()
    for path, text in inventory.sources().items():
        for name, node in inventory.calls(ast.parse(text)):
            owner = getattr(getattr(node.func, "value", None), "id", "")
            if (name in forbidden and isinstance(node.func, ast.Attribute)) or owner == "idna":
                callers.add(path)

    assert callers == {"core/web/text.py"}


def test_only_listed_modules_import_unicodedata_and_idna():
    callers = set()
    for path, text in inventory.sources().items():
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
            callers |= {(path, name) for name in names if name in {"idna", "unicodedata"}}

    # The others look up the category of a single character.
    assert callers == {
        ("core/web/text.py", "idna"),
        *(
            (f"{module}.py", "unicodedata")
            for module in ("core/web/text", "core/files/names", "core/db/sort_keys", "accounts/validators")
        ),
    }


# --- the API --------------------------------------------------------------------------------------

PUBLIC = [
    *(("auth/register", field) for field in REGISTRATION),
    *(("users", field) for field in REGISTRATION),
    *(("auth/login", field) for field in ("email", "password")),
    ("auth/forgot-password", "email"),
    *(("auth/reset-password", field) for field in ("token", "password")),
    ("auth/verify-email", "token"),
]


@pytest.mark.parametrize("text", TEXTS, ids=NAMES)
@pytest.mark.parametrize(("path", "field"), PUBLIC)
def test_public_endpoints(anonymous, normalised, path, field, text):
    if field == "email":
        text = f"{text}@example.com"
    response = anonymous.post(f"{API}/{path}", {**REGISTRATION, "token": "t", field: text})

    assert refused_fields(response) == {field}
    assert normalised == []


@pytest.mark.parametrize("text", TEXTS, ids=NAMES)
def test_a_domain_and_a_spent_token(anonymous, owner, normalised, text):
    token = issue_token(
        owner.user, "password_reset", owner.user.email, owner.user.created_at - owner.user.created_at
    )
    body = {**REGISTRATION, "email": f"ann@{text}.example"}

    assert refused_fields(anonymous.post(f"{API}/auth/register", body)) == {"email"}
    response = anonymous.post(f"{API}/auth/reset-password", {"token": token, "password": f"A1{text}"})
    assert refused_fields(response) == {"password"}
    assert normalised == []


OWN = [
    ("patch", "users/me", {}, "name"),
    ("patch", "users/me", {}, "email"),
    ("patch", "users/me", {"email": "new@example.com"}, "currentPassword"),
    ("delete", "users/me", {}, "currentPassword"),
    ("post", "auth/change-password", {"currentPassword": PASSWORD}, "newPassword"),
    ("post", "auth/change-password", {"newPassword": NEW_PASSWORD}, "currentPassword"),
    ("post", "resources", {"title": "T"}, "title"),
    ("post", "resources", {"title": "T"}, "content"),
    ("put", "resources/{resource}", {"title": "T"}, "content"),
    ("patch", "resources/{resource}", {}, "title"),
    ("patch", "tags/{tag}", {}, "name"),
]


@pytest.mark.parametrize("marks", [20, 30_000], ids=["short", "long"])
@pytest.mark.parametrize(("method", "path", "body", "field"), OWN)
def test_endpoints_of_the_own_account(owner, normalised, method, path, body, field, marks):
    resource, tag = ResourceFactory(user=owner.user), TagFactory(user=owner.user)
    path = path.format(resource=resource.pk, tag=tag.pk)

    response = getattr(owner, method)(f"{API}/{path}", {**body, field: "e" + "\u0301\u0316" * marks})

    assert refused_fields(response) == {field}
    assert normalised == []


@pytest.mark.parametrize("text", TEXTS, ids=NAMES)
def test_tags_and_bulk_operations(owner, normalised, text):
    response = owner.post(f"{API}/resources", {"title": "T", "tags": ["fine", text]})
    assert refused_fields(response) == {"tags.1"}

    operation = {"method": "create", "data": {"title": text, "tags": [text]}}
    response = owner.post(f"{API}/resources/bulk", {"operations": [operation]})
    assert refused_fields(response) == {"operations.0.title", "operations.0.tags.0"}
    assert normalised == []


def test_a_list_of_too_many_tags_is_refused_unread(owner):
    response = owner.post(f"{API}/resources", {"title": "T", "tags": [RUN] * 21})

    assert problems(response) == [("tags", "max_length")]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        *(
            ("resources", name)
            for name in ("search", "tag", "sort", "fields", "cursor", "status", "createdAfter")
        ),
        *(("tags", name) for name in ("search", "cursor")),
        *(("users", name) for name in ("search", "role", "status")),
        ("jobs", "kind"),
    ],
)
def test_query_parameters(admin, normalised, path, parameter):
    ResourceFactory(user=admin.user)
    for text in (RUN, LONG):
        response = admin.get(f"{API}/{path}", {parameter: text})
        if (path, text) != ("jobs", RUN):  # a kind is compared as it is
            assert {field for field, _code in problems(response)} == {parameter}
    assert normalised == []


@pytest.mark.parametrize("name", ["search", "tag", "sort", "fields"])
def test_the_filters_of_an_export(owner, normalised, name):
    for text in (RUN, LONG):
        response = owner.post(
            f"{API}/resources/export", {"format": "csv", name: [text] if name == "tag" else text}
        )
        assert {field for field, _code in problems(response)} == {name}
    assert normalised == []


def test_names_of_unknown_fields_and_parameters(owner, normalised):
    assert owner.post(f"{API}/resources", {"title": "T", LONG: 1}).status_code == 201
    assert owner.get(f"{API}/resources", {LONG: 1}).status_code == 400
    assert normalised == []


def test_headers(owner, normalised):
    sent = LONG[:4000].encode().decode("latin-1")
    for header in ("Idempotency-Key", "If-Match", "If-None-Match", "X-Request-ID", "User-Agent", "Accept"):
        response = owner.post(f"{API}/resources", {"title": "T"}, headers={header: sent})
        assert response.status_code < 500, header
    assert normalised == []


# --- the admin ------------------------------------------------------------------------------------


@pytest.fixture
def boss():
    return browser_of(UserFactory(role="admin"))


@pytest.mark.parametrize("text", TEXTS, ids=NAMES)
@pytest.mark.parametrize("field", ["email", "name", "password"])
def test_a_new_user_in_the_admin(boss, normalised, field, text):
    response = boss.post(url_of(User, "add"), {**REGISTRATION, "role": "user", field: text})

    assert field in errors(response)
    assert not User.objects.filter(role="user").exists()
    assert normalised == []


@pytest.mark.parametrize("text", TEXTS, ids=NAMES)
def test_rows_that_are_changed_in_the_admin(boss, normalised, text):
    resource, tag = ResourceFactory(), TagFactory()
    body = {"title": text, "content": text, "tag_names": f"fine\n{text}", "status": "draft"}

    assert set(errors(boss.post(url_of(resource, "change"), body))) == {"title", "content", "tag_names"}
    assert set(errors(boss.post(url_of(tag, "change"), {"name": text}))) == {"name"}
    assert set(errors(boss.post(url_of(resource.user, "change"), {"name": text, "role": "user"}))) == {"name"}
    assert set(errors(boss.post("/admin/auth/group/add/", {"name": text}))) == {"name"}
    assert normalised == []


@pytest.mark.parametrize("text", TEXTS, ids=NAMES)
def test_passwords_in_the_admin(boss, normalised, text):
    new = {"new_password1": text, "new_password2": text}
    url = f"/admin/accounts/user/{UserFactory().pk}/password/"

    assert "new_password2" in errors(boss.post(url, new))
    assert errors(boss.post("/admin/password_change/", {"old_password": text, **new})).keys() >= {
        "old_password",
        "new_password2",
    }
    assert errors(Client().post("/admin/login/", {"username": "ann@example.com", "password": text}))
    assert errors(Client().post("/admin/login/", {"username": text, "password": PASSWORD}))
    assert normalised == []


@pytest.mark.parametrize(
    "text", ["e" + "\u0301\u0316" * 40, LONG, "a " * 3000], ids=["short", "long", "words"]
)
@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_searches_in_the_admin(boss, normalised, model, text):
    response = boss.get(url_of(model), {"q": text})

    assert response.status_code == 200
    if django_admin.site.get_model_admin(model).search_fields:
        assert any("A search has at most" in message for message in messages_of(response))
    assert normalised == []


def test_a_search_of_an_autocomplete_field(boss, normalised):
    field = {"app_label": "resources", "model_name": "resource", "field_name": "user"}
    response = boss.get("/admin/autocomplete/", {**field, "term": LONG})

    assert response.json()["results"] == []
    assert normalised == []
