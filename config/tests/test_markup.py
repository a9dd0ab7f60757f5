"""Markup in a text is text: the API returns it as it is, and no page of the admin lets it run."""

import pytest
from django.db import IntegrityError, models, transaction

from accounts.tests.factories import UserFactory
from config.tests import hostile, matrix
from config.tests.office import registered, row_of
from core.tests.office import browser_of, url_of

pytestmark = pytest.mark.django_db

MARKUP = "<script>alert(1)</script>{{7*7}}<img src=x '\">"
SHORT = "<script>alert(1)"  # for columns that hold no more
WRITES = [
    name
    for name in hostile.with_json()
    if matrix.row_operations().get(hostile.in_matrix(name), (None, ""))[1]
    in {"create", "update", "partial_update"}
    or name in {"PATCH /api/v1/users/me", "POST /api/v1/users", "POST /api/v1/auth/register"}
]


@pytest.mark.parametrize("name", WRITES)
def test_the_api_returns_markup_as_it_is(admin, name):
    method, path = name.split()[0], hostile.path_of(name, admin)
    schema, valid = hostile.content_of(name)[hostile.JSON]["schema"], hostile.body_of(name, admin)
    returned = 0
    for place in dict.fromkeys(hostile.places(schema)):
        body = hostile.encoded(hostile.replaced(valid, place, MARKUP))
        response = hostile.send(admin, method, path, body)
        if response.status_code < 400:
            value = response.json()["data"]
            value = value.get("user", value)
            if place[0] not in value:
                continue  # a password
            for step in place:
                value = value[step]
            assert value == MARKUP, place
            assert response["Content-Type"] == "application/json"
            assert response["X-Content-Type-Options"] == "nosniff"
            returned += 1

    assert returned or not any(map(takes_markup, hostile.contract.resolved(schema)["properties"].values()))


def takes_markup(field):
    """Return whether the field takes any text that is long enough."""
    field = hostile.contract.resolved(field)
    narrowed = {"format", "pattern", "enum"} & field.keys() or field.get("maxLength", 300) < len(MARKUP)
    return field.get("type") == "string" and not narrowed and not field.get("readOnly")


def columns(model):
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField | models.TextField | models.JSONField) and not field.choices
    ]


def write(row, field):
    """Write markup into a column, past all that the product checks. Return whether the database took it."""
    text = MARKUP if not field.max_length or field.max_length >= len(MARKUP) else SHORT[: field.max_length]
    value = {"name": text, text: [text]} if isinstance(field, models.JSONField) else text
    try:
        with transaction.atomic():
            type(row)._base_manager.filter(pk=row.pk).update(**{field.name: value})
    except IntegrityError:
        return False
    return True


@pytest.mark.parametrize("model", [*filter(columns, registered())], ids=lambda model: model.__name__)
def test_no_page_of_the_admin_lets_markup_run(model):
    browser = browser_of(UserFactory(role="admin"))
    row = row_of(model)
    written = [field.name for field in columns(model) if write(row, field)]
    assert written
    for path in (url_of(model), url_of(row, "change"), url_of(row, "delete"), url_of(row, "history")):
        content = browser.get(path).content.decode()
        assert "<script>alert(1)" not in content, (path, written)
        assert "<img src=x" not in content, (path, written)
