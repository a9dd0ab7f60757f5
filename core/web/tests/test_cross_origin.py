"""Requests that a browser lets the scripts of an allowed origin send, and responses that it lets them read."""

import pytest
from django.conf import settings as configured
from drf_spectacular.generators import SchemaGenerator
from environs import EnvError

from core.tests.interpreter import django_python
from core.web.environment import parse_cors_origins, parse_header_names, parse_trusted_origins

pytestmark = pytest.mark.django_db
ORIGIN = "https://app.example.com"
# What any script may send or read (Fetch, "CORS-safelisted").
SAFE = {"accept", "accept-language", "content-language", "content-type", "content-length", "cache-control"}
FOR_BROWSERS = {"x-content-type-options", "content-security-policy"}


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN, "capacitor://localhost"]


def preflight(client, path="/api/v1/jobs", origin=ORIGIN):
    return client.options(path, HTTP_ORIGIN=origin, HTTP_ACCESS_CONTROL_REQUEST_METHOD="POST")


def names(answer, header):
    return {name.strip().lower() for name in answer.get(header, "").split(",")}


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    return [operation for path in schema["paths"].values() for operation in path.values()]


def test_an_app_in_a_web_view_is_let_in(client):
    answer = preflight(client, origin="capacitor://localhost")

    assert answer["Access-Control-Allow-Origin"] == "capacitor://localhost"
    assert answer["Access-Control-Allow-Credentials"] == "true"


def test_tracing_headers_may_be_sent(client):
    traced = {"sentry-trace", "baggage", "traceparent", "tracestate"}

    assert traced <= names(preflight(client), "Access-Control-Allow-Headers")


def test_every_header_that_the_schema_names_may_be_sent(client, schema):
    inline = [parameter for operation in operations(schema) for parameter in operation.get("parameters", ())]
    parameters = [*inline, *schema["components"]["parameters"].values()]
    declared = {item["name"].lower() for item in parameters if item.get("in") == "header"}

    assert "if-match" in declared
    assert declared <= SAFE | names(preflight(client), "Access-Control-Allow-Headers")


def test_every_header_that_the_schema_names_may_be_read(client, schema):
    inline = [response for operation in operations(schema) for response in operation["responses"].values()]
    responses = [*inline, *schema["components"]["responses"].values()]
    documented = {header.lower() for response in responses for header in response.get("headers", ())}
    exposed = names(client.get("/api/v1/schema", HTTP_ORIGIN=ORIGIN), "Access-Control-Expose-Headers")

    assert "www-authenticate" in documented
    assert documented <= SAFE | FOR_BROWSERS | exposed


def test_what_a_download_says_of_itself_may_be_read(client):
    exposed = names(client.get("/api/v1/files", HTTP_ORIGIN=ORIGIN), "Access-Control-Expose-Headers")

    assert {"content-disposition", "content-range", "accept-ranges", "etag"} <= exposed


def test_the_admin_is_not_for_other_origins(client):
    assert "Access-Control-Allow-Origin" not in client.get("/admin/login/", HTTP_ORIGIN=ORIGIN).headers


def test_the_pages_of_developers_are_not_for_other_origins(client):
    assert "Access-Control-Allow-Origin" not in client.get("/dev/mails", HTTP_ORIGIN=ORIGIN).headers


def test_a_setting_adds_headers_to_the_built_in_ones():
    show = "from django.conf import settings; print(*settings.CORS_ALLOW_HEADERS)"
    added = django_python(show, CORS_ALLOW_HEADERS="X-App-Version,x-device").stdout.split()

    assert added == [*configured.CORS_ALLOW_HEADERS, "x-app-version", "x-device"]


# --- the variables --------------------------------------------------------------------------------


def test_origins_are_written_as_browsers_send_them():
    assert parse_cors_origins(
        " https://A.example/ ,, http://b.example:1,https://c.example:443,http://[::1]:80"
    ) == [
        "https://a.example",
        "http://b.example:1",
        "https://c.example",
        "http://[::1]",
    ]


@pytest.mark.parametrize("origin", ["capacitor://localhost", "ionic://localhost", "tauri://localhost"])
def test_an_origin_may_have_any_scheme(origin):
    assert parse_cors_origins(origin) == parse_trusted_origins(origin) == [origin]


@pytest.mark.parametrize(
    "wrong",
    [
        "b.example",
        "https://",
        "null",
        "*",
        "https://b.example/app",
        "https://u@b.example",
        "file://",
        "https://é.fr",
    ],
)
def test_what_is_no_origin_is_refused_by_name(wrong):
    for parse in (parse_cors_origins, parse_trusted_origins):
        with pytest.raises(EnvError, match="must look like") as refused:
            parse(f"https://a.example,{wrong}")
        assert repr(wrong) in str(refused.value)


def test_only_trusted_origins_may_stand_for_every_subdomain():
    assert parse_trusted_origins("https://*.example.com") == ["https://*.example.com"]
    with pytest.raises(EnvError, match="named in full"):
        parse_cors_origins("https://*.example.com")


def test_header_names_are_added_in_lower_case():
    assert parse_header_names("X-App-Version, x-device") == ["x-app-version", "x-device"]
    for wrong in ("*", "x version", "x:y"):
        with pytest.raises(EnvError, match="must look like"):
            parse_header_names(f"x-good,{wrong}")
