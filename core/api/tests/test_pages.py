"""The pages for a person. What their scripts do is seen in a browser; here is what makes that possible."""

import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.robotparser import RobotFileParser

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from PIL import Image

from accounts.tests.factories import OneTimeTokenFactory
from core.tests.interpreter import django_python

WITH_TOKEN = [
    "/account/reset-password",
    "/account/verify-email",
    "/account/undo-email-change",
    "/account/undelete",
    "/account/not-me",
]
ACCOUNT = [*WITH_TOKEN, "/account/forgot-password"]
PAGES = ["/", "/api/docs", "/api/redoc", "/errors/VALIDATION_ERROR", *ACCOUNT]
ICONS = {"/favicon.ico": "image/x-icon", "/apple-touch-icon.png": "image/png"}
OWN_FILES = Path(settings.BASE_DIR, "templates", "static", "site")


class Elements(HTMLParser):
    """Every element of a page as (tag, attributes), and the text of its scripts."""

    def __init__(self, text):
        super().__init__()
        self.found, self.inline, self._in_script = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._in_script = tag == "script"

    def handle_data(self, data):
        if self._in_script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag):
        self._in_script = False

    def having(self, name):
        return [attrs for _tag, attrs in self.found if name in attrs]

    def of(self, tag):
        return [attrs for found, attrs in self.found if found == tag]


@pytest.fixture
def elements(client):
    def read(path):
        return Elements(client.get(path).content.decode())

    return read


@pytest.mark.parametrize("path", PAGES)
def test_a_page_needs_no_account(client, path):
    answer = client.get(path)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert "sessionid" not in answer.cookies


@pytest.mark.parametrize("path", PAGES)
def test_scripts_and_styles_are_own_files_that_exist(elements, path):
    page = elements(path)
    links = [attrs["href"] for attrs in page.of("link")] + [attrs["src"] for attrs in page.of("script")]

    assert page.inline == []
    assert links
    for link in links:
        assert link.startswith("/static/") or link in ICONS
        assert link in ICONS or finders.find(link.removeprefix("/static/")), link


@pytest.mark.parametrize("path", PAGES)
def test_nothing_is_handled_inline_or_loaded_from_elsewhere(elements, path):
    page = elements(path)

    assert not [name for _tag, attrs in page.found for name in attrs if name.startswith("on")]
    assert not [attrs["src"] for attrs in page.having("src") if attrs["src"].startswith(("http", "//"))]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_its_language_its_title_and_fits_a_phone(client, elements, path):
    page = elements(path)

    assert page.of("html")[0]["lang"] == "en"
    assert "width=device-width" in [meta.get("content", "") for meta in page.of("meta")][1]
    assert re.search(r"<title>[^<]*Blue Bikes[^<]*</title>", client.get(path).content.decode())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_without_scripts_says_what_to_do(elements, path):
    page = elements(path)

    assert bool(page.of("noscript")) is bool(page.of("script"))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_page_is_only_read(path, method):
    answer = getattr(Client(enforce_csrf_checks=True), method)(path)

    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD, OPTIONS"


def test_the_home_page_leads_to_docs_schema_and_admin(elements):
    links = {attrs["href"] for attrs in elements("/").of("a")}

    assert {"/api/docs", "/api/redoc", "/api/v1/schema", "/admin/"} <= links


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc"])
def test_the_docs_read_our_schema(client, path):
    assert '"/api/v1/schema"' in client.get(path).content.decode()


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_a_secret_in_the_address_is_neither_kept_nor_passed_on(client, path):
    answer = client.get(path, {"token": "s3cret"})

    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"
    assert "s3cret" not in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*PAGES, "/admin/login/"])
def test_a_page_names_its_icons(elements, path):
    links = {attrs["href"] for attrs in elements(path).of("link") if "icon" in attrs["rel"]}

    assert links == {*ICONS, "/static/site/favicon.svg"}


@pytest.mark.parametrize("path", ICONS)
def test_an_icon_is_there_for_browsers_that_look_for_it_unasked(client, path):
    answer = client.get(path)

    assert (answer.status_code, answer["Content-Type"]) == (200, ICONS[path])
    assert Image.open(BytesIO(answer.getvalue())).size >= (48, 48)
    assert client.get(path, HTTP_IF_MODIFIED_SINCE=answer["Last-Modified"]).status_code == 304


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/", True), ("/api/docs", True), ("/api/v1/users", False), ("/admin/", False), ("/account/x", False)],
)
def test_crawlers_are_told_what_is_for_them(client, path, allowed):
    answer = client.get("/robots.txt")
    rules = RobotFileParser()
    rules.parse(answer.getvalue().decode().splitlines())

    assert answer["Content-Type"].startswith("text/plain")
    assert rules.can_fetch("anybot", f"https://testserver{path}") is allowed


CACHED = """
browser = Client()
for path in ("/favicon.ico", "/apple-touch-icon.png", "/robots.txt"):
    print(browser.get(path, secure=True)["Cache-Control"], browser.post(path, secure=True).status_code)
"""


def test_in_production_they_are_cached_for_a_day():
    assert django_python(CACHED, DEBUG="false").stdout == "max-age=86400, public 405\n" * 3


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "purpose"),
    list(zip(WITH_TOKEN, ["password_reset", "email_proof", "email_undo", "undelete", "not_me"], strict=True)),
)
def test_opening_the_link_spends_nothing(client, path, purpose):
    """Mail scanners open every link."""
    secret = OneTimeTokenFactory(purpose=purpose)
    client.get(path, {"token": "whatever"})
    client.head(path, {"token": "whatever"})
    secret.refresh_from_db()

    assert secret.used_at is None


@pytest.mark.parametrize("path", ACCOUNT)
def test_the_forms_send_to_the_api_by_script_only(elements, path):
    forms = elements(path).of("form")

    assert forms
    for form in forms:
        assert form["data-action"].startswith("/api/v1/")
        assert "action" not in form  # without its script the page must not put a password into an address
        assert "hidden" in form


@pytest.mark.parametrize(
    ("path", "name"), [("/account/reset-password", "password"), ("/admin/login/", "password")]
)
def test_a_password_is_masked_and_may_be_pasted(db, elements, path, name):
    page = elements(path)
    [field] = [field for field in page.of("input") if field.get("name") == name]

    assert field["type"] == "password"
    assert "readonly" not in field
    assert field["autocomplete"] != "off"
    assert not [script for script in OWN_FILES.glob("*.js") if "paste" in script.read_text()]


AS_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser"
)
STORED = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\.|postMessage")


@pytest.mark.parametrize("script", sorted(OWN_FILES.glob("*.js")), ids=lambda path: path.name)
def test_a_script_shows_text_as_text_and_stores_nothing(script):
    source = script.read_text()

    assert not AS_MARKUP.search(source)
    assert not STORED.search(source)


@pytest.mark.parametrize("path", ["/static/", "/static/site/", "/static/admin/css", "/media/", "/var/"])
def test_no_folder_is_listed(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert b"site.css" not in answer.content


@pytest.mark.parametrize("path", ["/account/reset-password", "/account/forgot-password"])
def test_every_field_has_a_label_and_a_place_for_its_problems(elements, path):
    page = elements(path)
    labelled = {attrs["for"] for attrs in page.of("label") if "for" in attrs}
    ids = {attrs["id"] for attrs in page.having("id")}

    for field in page.of("input"):
        if field["type"] == "checkbox":
            continue
        assert field["id"] in labelled
        assert f"{field['name']}-problems" in ids
        assert f"{field['name']}-problems" in field["aria-describedby"]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/account/reset-password", {"password": "new-password", "email": "username"}),
        ("/account/forgot-password", {"email": "username"}),
        ("/admin/login/", {"username": "username", "password": "current-password"}),
    ],
)
def test_password_managers_know_the_fields(db, elements, path, names):
    fields = {field.get("name"): field.get("autocomplete") for field in elements(path).of("input")}

    assert {name: fields[name] for name in names} == names


def test_password_managers_are_led_to_where_one_gets_a_new_password(client, settings):
    """W3C, A Well-Known URL for Changing Passwords."""
    answer = client.get("/.well-known/change-password")

    assert (answer.status_code, answer["Location"]) == (
        302,
        f"{settings.FRONTEND_URL}/account/forgot-password",
    )
    assert client.get("/account/forgot-password").status_code == 200


def test_the_script_takes_the_token_out_of_the_address_bar():
    script = (OWN_FILES / "account.js").read_text()

    assert "history.replaceState" in script
    assert "history.state" in script  # which survives a reload
    assert 'addEventListener("submit"' in script
    assert script.count("fetch(") == 1


def test_the_home_page_and_the_description_are_true_without_the_example(client):
    page = client.get("/").content.decode().lower()
    document = client.get("/api/v1/schema", HTTP_ACCEPT="application/json").json()
    first_line = document["info"]["description"].partition("\n")[0].lower()

    assert "resource" not in page + first_line
