"""Each field of each form of the admin, with texts and numbers that normalisation or the database cannot take."""

import pytest
from django.contrib.admin import site
from django.test import Client

from accounts.models import User
from config.tests.office import registered, rows_of_all
from core.tests.normalisation import HOSTILE
from core.tests.office import url_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]

MARKS = (
    *HOSTILE.values(),
    "e" + "\u0301\u0316" * 20,
    "e" + "\u0301" * 31,
    "\u0301",
)  # some fit into every field


@pytest.fixture
def browser(admin):
    """Return exceptions as responses, as a server does."""
    client = Client(raise_request_exception=False)
    client.force_login(admin.user)
    return client


@pytest.fixture
def stored(owner):
    return rows_of_all(owner.user)


def assert_no_server_error(response, sent):
    assert response.status_code < 500, (response.status_code, sent)


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_no_number_of_a_key_makes_a_form_or_an_action_fail(model, browser, stored):
    for number in ("2147483648", "9223372036854775808", "-9223372036854775809", "9" * 5000):
        for url in (url_of(model, "add"), url_of(stored[model], "change")):
            body = dict.fromkeys((field.name for field in model._meta.get_fields()), number)
            assert_no_server_error(browser.post(url, body), (url, number[:30]))
        for action in ("delete_selected", *site.get_model_admin(model).actions):
            body = {"action": action, "_selected_action": number}
            assert_no_server_error(browser.post(url_of(model), body), (action, number[:30]))


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_no_marks_make_a_form_fail(model, browser, stored):
    """In each field alone among good ones, and in all of them."""
    for url in (url_of(model, "add"), url_of(stored[model], "change")):
        names = {field.name for field in model._meta.get_fields()} | {
            "tag_names",
            "seen_version",
            "_to_field",
        }
        good = {
            "user": stored[User].pk,
            "title": "T",
            "status": "draft",
            "name": "n",
            "email": "n@example.com",
        }
        for text in MARKS:
            for name in sorted(names):
                assert_no_server_error(browser.post(url, {**good, name: text}), (url, name, ascii(text[:20])))
            assert_no_server_error(
                browser.post(url, dict.fromkeys(names, text)), (url, "all", ascii(text[:20]))
            )
