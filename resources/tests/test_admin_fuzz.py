"""Hostile requests to the admin, none of which makes it fail. They are the same each time: the seed is fixed."""

import random
from urllib.parse import quote, urlencode

import pytest
from django.contrib.admin import site
from django.test import Client

from accounts.models import User
from config.tests.office import paths, registered, rows_of_all
from core.tests.normalisation import HOSTILE
from core.tests.office import url_of
from resources.models import Resource

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]

TEXTS = (
    *(
        "",
        " ",
        "\0",
        "a\0b",
        "abc",
        "-1",
        "0",
        "1",
        "99",
        "99999",
        "1e400",
        "9" * 5000,
        "٣",
        "½",
        "NaN",
        "None",
    ),
    *(
        "0001-01-01",
        "9999-12-31",
        "2026-02-30",
        "2026-01-01T00:00:00Z",
        "true",
        "'",
        '"',
        "\\",
        "%",
        "_00",
        "é" * 300,
    ),
    *(
        "\ud7ff\ufffd",
        "🙂",
        "<script>",
        "a,b,,c",
        "{}",
        "[]",
        "../..",
        "//evil.example",
        "\r\nX: y",
        "\u202e",
        "x" * 100_000,
    ),
    *(
        "00000000-0000-0000-0000-000000000000",
        "{00000000-0000-0000-0000-000000000000}",
        "-",
        ".",
        "1.-2..",
        "p=1&p=2",
    ),
    *(
        "' OR 1=1 --",
        "a" * 65,
        "2147483648",
        "9223372036854775808",
        "-9223372036854775809",
        "asked-1",
        "?q=%00",
        "#",
    ),
    *HOSTILE.values(),
    "e" + "\u0301\u0316" * 20,  # short enough for every field
)
SPECIAL = (
    "p",
    "o",
    "q",
    "all",
    "e",
    "_popup",
    "_to_field",
    "_facets",
    "_changelist_filters",
    "_source_model",
)
FILTERS = (
    *(
        "state",
        "deleted",
        "verified",
        "locked",
        "kind",
        "event",
        "from",
        "to",
        "status__exact",
        "role__exact",
    ),
    *("status__isnull", "role__isnull", "user__id__exact", "nothing", "created_at__year", "created_at__gte"),
)
COMPLETED = {"app_label": "resources", "model_name": "resource", "field_name": "user", "term": "a"}


@pytest.fixture
def browser(admin):
    """Return exceptions as responses, as a server does."""
    client = Client(raise_request_exception=False)
    client.force_login(admin.user)
    return client


@pytest.fixture
def chance(request):
    return random.Random(request.node.name)


@pytest.fixture
def stored(owner):
    return rows_of_all(owner.user)


def assert_no_5xx(response, sent):
    status = response.status_code
    if getattr(response, "streaming", False):
        b"".join(response.streaming_content)
    assert status < 500, (status, sent)
    return status


def sample(chance, number):
    return [*chance.sample(TEXTS, number), "\0", "99999"]


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_no_parameter_of_a_list_makes_it_fail(model, browser, stored, chance):
    for name in (*SPECIAL, *FILTERS):
        for text in sample(chance, 1):
            query = {name: text, **({"_popup": "1"} if chance.random() < 0.1 else {})}
            assert_no_5xx(browser.get(url_of(model), query), (name, text[:80]))
    for name in sorted({*paths(model, depth=1)}):
        text = chance.choice(TEXTS)
        assert_no_5xx(browser.get(url_of(model), {f"{name}__exact": text}), (name, text[:80]))


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_no_combination_of_parameters_makes_a_list_fail(model, browser, stored, chance):
    for _ in range(25):
        names = chance.sample((*SPECIAL, *FILTERS), 3)
        query = [(name, chance.choice(TEXTS)) for name in names for _ in range(chance.randint(1, 2))]
        assert_no_5xx(browser.get(f"{url_of(model)}?{urlencode(query)}"), str(query)[:200])


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_no_key_makes_a_page_fail(model, browser, stored, chance):
    base = url_of(model)
    tails = ("", "change/", "delete/", "history/", "password/", "do/retry/", "do/erase/")
    for text in sample(chance, 3):
        for tail in tails:
            path = f"{base}{quote(text, safe='')}/{tail}"
            assert_no_5xx(browser.get(path), path[:200])
            assert_no_5xx(browser.post(path, {"post": "yes"}), path[:200])


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
@pytest.mark.parametrize("page", ["add", "change"])
def test_no_value_makes_a_form_fail(model, page, browser, stored, chance):
    url = url_of(model if page == "add" else stored[model], page)
    names = {field.name for field in model._meta.get_fields()} | {"tag_names", "seen_version", "_to_field"}
    names |= {"password", "_popup", "_saveasnew", "_continue", "_addanother", "_changelist_filters"}
    for name in sorted(names):
        if name.startswith("_"):  # may end the request before a field is read, so each alone
            for text in sample(chance, 1):
                assert_no_5xx(browser.get(url, {name: text}), (name, text[:80]))
                assert_no_5xx(browser.post(url, {name: text}), (name, text[:80]))
    fields = sorted(name for name in names if not name.startswith("_"))
    # A different text in each field of a request, and each text in every third field.
    for first in range(0, len(TEXTS), 3):
        values = {name: TEXTS[(first + number) % len(TEXTS)] for number, name in enumerate(fields)}
        assert_no_5xx(browser.post(url, values), first)
        if first % 12 == 0:
            assert_no_5xx(browser.get(url, values), first)


@pytest.mark.parametrize("model", registered(), ids=lambda model: model.__name__)
def test_no_action_makes_a_list_fail(model, browser, stored, chance):
    actions = ["", "delete_selected", "nothing", *site.get_model_admin(model).actions]
    for _ in range(15):
        body = {
            "action": chance.sample(actions, min(2, len(actions))),
            "_selected_action": chance.choice([*TEXTS, str(stored[model].pk)]),
        }
        for name in ("index", "select_across", "keys", "done", "skipped", "refused", "_save", "post"):
            if chance.random() < 0.4:
                body[name] = chance.choice([*TEXTS, str(stored[model].pk), "1"])
        assert_no_5xx(browser.post(url_of(model), body), str(body)[:300])


SITE = (
    "",
    "login/",
    "logout/",
    "password_change/",
    "password_change/done/",
    "jsi18n/",
    "search/",
    "autocomplete/",
    "accounts/",
)


FIELDS = ["next", "term", "q", "page", "language", "username", "password", "old_password", "new_password1"]


@pytest.mark.parametrize("path", SITE)
def test_no_page_of_the_site_fails(path, browser, chance):
    for text in TEXTS:
        for name in FIELDS:
            if chance.random() < 0.05:
                assert_no_5xx(browser.get(f"/admin/{path}", {name: text}), (name, text[:80]))
                assert_no_5xx(
                    Client(raise_request_exception=False).get(f"/admin/{path}", {name: text}), text[:80]
                )
        if path != "logout/":
            body = {"username": text, "password": text, "old_password": text, "new_password1": text}
            assert_no_5xx(browser.post(f"/admin/{path}", {**body, "new_password2": text}), text[:80])


@pytest.mark.parametrize("name", [*COMPLETED, "page"])
def test_no_parameter_makes_the_suggestions_fail(name, browser, stored):
    others = ["accounts", "session", "user", "groups", "sessions", "content_type", "resources", "logentry"]
    less = {key: value for key, value in COMPLETED.items() if key != name}
    assert_no_5xx(browser.get("/admin/autocomplete/", less), less)
    for text in (*TEXTS, *others):
        assert_no_5xx(browser.get("/admin/autocomplete/", {**COMPLETED, name: text}), (name, text[:80]))


def test_no_address_of_an_object_makes_the_site_fail(browser, stored):
    for text in TEXTS:
        part = quote(text, safe="")
        for path in (
            f"r/1/{part}/",
            f"r/{part}/1/",
            f"r/{part}/{stored[User].pk}/",
            f"{part}/",
            f"accounts/{part}/",
        ):
            assert_no_5xx(browser.get(f"/admin/{path}"), path[:100])
    for number in range(40):
        assert_no_5xx(browser.get(f"/admin/r/{number}/{stored[User].pk}/"), number)


TYPES = (
    *("", "text/plain", "application/json", "application/x-www-form-urlencoded", "multipart/form-data", "x"),
    *("multipart/form-data; boundary=", "multipart/form-data; boundary=é", "multipart/form-data; boundary=x"),
)
BODIES = (
    *(
        b"",
        b"\0",
        b"\xff\xfe",
        b"{",
        b"a=%00&b=%ff",
        b"&" * 2000,
        b"a=1&" * 1001,
        b"--x\r\n",
        b"--x--",
        b"x" * 100_000,
    ),
    b'--x\r\nContent-Disposition: form-data; name="action"\r\n\r\nretry\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="a"; filename="\0"\r\nContent-Type: x; charset=hex\r\n\r\nz\r\n--x--',
    b'--x\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--x--\r\n',
)


@pytest.mark.parametrize("content_type", TYPES)
def test_no_body_makes_a_page_fail(content_type, browser, stored):
    urls = [url_of(Resource), url_of(Resource, "add"), url_of(stored[User], "change"), "/admin/login/"]
    for url in [*urls, "/admin/password_change/", "/api/v1/auth/login", "/"]:
        for body in BODIES:
            assert_no_5xx(browser.generic("POST", url, body, content_type), (url, content_type, body[:40]))
        assert_no_5xx(
            browser.get(f"{url}?q=%C3%A9", headers={"content-type": content_type}), (url, content_type)
        )


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "head", "trace"])
def test_no_method_makes_a_page_fail(method, browser, stored):
    for model, row in stored.items():
        for url in (url_of(model), url_of(model, "add"), url_of(row, "change"), url_of(row, "delete")):
            assert_no_5xx(getattr(browser, method)(url), (method, url))
