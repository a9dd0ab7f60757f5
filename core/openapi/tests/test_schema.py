"""The OpenAPI document: valid, complete, and true of what the API answers."""

import gzip
import json
import os
import re

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from accounts.tests.factories import PASSWORD
from core.openapi.document import generating
from core.tests.contract import JSON, contradictions, document, operations, problems_of, resolved
from core.web.error_schemas import WITH_TOKEN
from core.web.errors import CATALOGUE

URL = "/api/v1/schema"
# Clients are generated from these names: a change breaks them, and should be meant.
NAMES = {
    *("register", "login", "refresh", "logout", "logoutAll", "listSessions", "deleteSession"),
    *("forgotPassword", "resetPassword", "changePassword", "verifyEmail", "resendVerification"),
    *("getSecondFactors", "startTotp", "confirmTotp", "removeTotp", "renewRecoveryCodes", "stepUp"),
    *("getPasskeyOptions", "addPasskey", "removePasskey", "getLoginOptions", "logInWithPasskey"),
    *("listUsers", "createUser", "getUser", "replaceUser", "updateUser", "deleteUser"),
    *("getMe", "replaceMe", "updateMe", "deleteMe", "exportMe"),
    *("listJobs", "getJob", "deleteJob"),
    *("getHealth", "getLiveness", "getReadiness"),
}

CODE_OPERATIONS = frozenset(
    {"login", "confirmTotp", "renewRecoveryCodes", "removeTotp", "removePasskey", "stepUp"}
)

each_operation = pytest.mark.parametrize(
    ("name", "operation"), operations(), ids=[name for name, _operation in operations()]
)


# --- the document ---------------------------------------------------------------------------------


def test_it_is_valid_and_made_without_a_warning():
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)


def test_it_is_served_to_anybody(client):
    answer = client.get(URL)

    assert answer.headers["Content-Type"] == JSON
    assert answer.json() == json.loads(json.dumps(document()))


def test_who_holds_it_gets_304(client):
    answer = client.get(URL, headers={"If-None-Match": client.get(URL).headers["ETag"]})

    assert (answer.status_code, answer.content) == (304, b"")


def test_operations_have_the_names_that_clients_know():
    names = [operation["operationId"] for item in document()["paths"].values() for operation in item.values()]

    assert set(names) >= NAMES
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]*)*", name) for name in names)


def test_every_operation_has_a_summary_and_a_known_tag():
    tags = {tag["name"] for tag in document()["tags"]}

    for name, operation in operations():
        assert operation["summary"], name
        assert set(operation["tags"]) <= tags, name


def test_requests_hold_nothing_that_is_only_answered():
    schemas = document()["components"]["schemas"]
    # The `id` of a passkey is the browser's.
    requests = [name for name in schemas if name.endswith("Request") and "Passkey" not in name]

    assert "RegisterRequest" in requests
    for name in requests:
        schema = schemas[name]
        assert not {"id", "userId", "createdAt", "updatedAt"} & set(schema["properties"]), name
        assert "readOnly" not in json.dumps(schema), name


def test_an_answer_is_whole():
    for name in ("User", "Session", "Tokens", "Job"):
        schema = document()["components"]["schemas"][name]
        assert set(schema["required"]) == set(schema["properties"]), name


def test_what_a_patch_leaves_out_has_no_default():
    schemas = document()["components"]["schemas"]
    patches = [schema for name, schema in schemas.items() if name.startswith("Patched")]

    assert patches
    assert not any("required" in patch for patch in patches)
    assert not any("default" in item for patch in patches for item in patch["properties"].values())


def test_nothing_has_a_default_that_a_generated_client_would_send():
    assert '"default":' not in json.dumps(document())


def test_it_says_where_the_api_is_and_under_which_licence(settings):
    assert document()["servers"] == [{"url": "/"}]
    assert document()["info"]["license"] == settings.SPECTACULAR_SETTINGS["LICENSE"]
    settings.API_URL = "https://api.example.com"
    with generating:
        elsewhere = SchemaGenerator().get_schema(request=None, public=True)
    assert elsewhere["servers"] == [{"url": "https://api.example.com"}]


@pytest.mark.parametrize(
    ("name", "parts"), [("AnyLoginResponse", "LoginResponse"), ("AnyTokensResponse", "TokensResponse")]
)
def test_answers_with_tokens_are_told_apart_by_their_delivery(name, parts):
    schemas = document()["components"]["schemas"]
    mapping = {
        "body": f"#/components/schemas/{parts}",
        "cookie": f"#/components/schemas/Cookie{parts}",
    }

    assert schemas[name]["discriminator"] == {"propertyName": "delivery", "mapping": mapping}
    for value, reference in mapping.items():
        part = schemas[reference.rpartition("/")[2]]
        assert part["properties"]["delivery"] == {"type": "string", "const": value}
        assert "delivery" in part["required"]


# --- envelopes and errors -------------------------------------------------------------------------


@each_operation
def test_an_operation_says_how_it_succeeds(name, operation):
    [(status, success)] = [item for item in operation["responses"].items() if item[0].startswith("2")]

    if status == "204":
        assert "content" not in success
        return
    envelope = resolved(success["content"][JSON]["schema"])
    assert envelope["properties"]["success"] == {"type": "boolean", "const": True}
    is_page = name.startswith("GET ") and name != "GET /api/v1/auth/oidc"  # that list is of the settings
    lists = is_page and resolved(envelope["properties"]["data"]).get("type") == "array"
    assert set(envelope["required"]) == ({"success", "data", "meta"} if lists else {"success", "data"})


@each_operation
def test_an_operation_names_its_errors(name, operation):
    assert {"400", "406", "429", "500", "503"} <= set(operation["responses"])
    has_object = "{" in name or name.endswith("/bulk") or name == "DELETE /api/v1/auth/mfa/totp"
    assert ("404" in operation["responses"]) == has_object
    for status in ("413", "415"):
        assert (status in operation["responses"]) == ("requestBody" in operation)
    for status in (status for status in operation["responses"] if status >= "400"):
        assert set(operation["responses"][status]) == {"$ref"}, "shared, not a copy"
        assert {CATALOGUE[code][0] for code in codes_of(operation, status)} == {int(status)}


def codes_of(operation, status):
    """The error codes of one status."""
    response = operation["responses"].get(status)
    if response is None:
        return set()
    media = resolved(response)["content"][JSON]
    error = resolved(media["schema"])["properties"]["error"]
    narrowed = error["allOf"][1]["properties"]["code"]["enum"]
    assert set(media["examples"]) == set(narrowed)
    return set(narrowed)


def test_who_needs_a_token_can_be_refused_for_it():
    for name, operation in operations():
        expected = WITH_TOKEN if any(operation.get("security", [])) else set()
        if operation["operationId"] == "login":
            expected = {"INVALID_CREDENTIALS", "MFA_REQUIRED"}
        if operation["operationId"] == "finishSignIn":
            expected = {"INVALID_CREDENTIALS", "MFA_REQUIRED", "MFA_INVALID"}
        if operation["operationId"] == "logInWithPasskey":
            expected = {"INVALID_CREDENTIALS"}
        if operation["operationId"] in CODE_OPERATIONS:
            expected = expected | {"MFA_INVALID"}
        assert codes_of(operation, "401") == expected, name


def test_each_operation_says_which_credentials_it_takes_also_that_it_takes_none():
    all_of_them = [each for path in document()["paths"].values() for each in path.values()]
    public = {operation["operationId"] for operation in all_of_them if operation["security"] == []}

    assert public == {
        *("register", "login", "forgotPassword", "resetPassword", "verifyEmail", "undoEmailChange"),
        *("undelete", "notMe", "signInProviders", "startSignIn", "finishSignIn"),
        *("getLoginOptions", "logInWithPasskey"),
        *("getHealth", "getLiveness", "getReadiness", "getFile"),
    }


def test_every_code_of_the_catalogue_is_there_and_no_other():
    assert document()["components"]["schemas"]["ErrorCode"]["enum"] == list(CATALOGUE)


def test_every_parameter_that_a_view_understands_is_there_and_no_other():
    generator = SchemaGenerator()
    generator._initialise_endpoints()
    for path, _regex, method, view in generator._get_paths_and_endpoints():
        operation = document()["paths"][path][method.lower()]
        queries = [item for item in map(resolved, operation.get("parameters", [])) if item["in"] == "query"]
        arrays = [item for item in queries if item["schema"]["type"] == "array"]
        repeatable = {item["name"] for item in arrays}
        assert ({item["name"] for item in queries}, repeatable) == view.known_parameters(), path


# --- answers --------------------------------------------------------------------------------------


def assert_described(answer, status):
    assert answer.status_code == status, answer.content
    assert contradictions(answer) == []


@pytest.mark.django_db
def test_entering_is_answered_as_described(anonymous, client):
    account = {"email": "ann@example.com", "password": PASSWORD, "name": "Ann Able"}

    assert_described(anonymous.post("/api/v1/auth/register", account), 201)
    assert_described(anonymous.post("/api/v1/auth/register", account), 409)
    assert_described(anonymous.post("/api/v1/auth/login", account), 200)
    assert_described(client.post("/api/v1/auth/login?delivery=cookie", account, JSON), 200)
    assert_described(anonymous.post("/api/v1/auth/login", {**account, "password": "Wr0ng-password"}), 401)
    assert_described(anonymous.post("/api/v1/auth/forgot-password", account), 202)
    assert_described(anonymous.get("/api/v1/users/me"), 401)


@pytest.mark.django_db
def test_health_is_answered_as_described(client):
    for path in ("/health", "/health/live", "/health/ready"):
        assert_described(client.get(path), 200)


# --- what a request may hold ----------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("password", text) for text in ("Summer-r4in", "Пароль-номер7", "Sh0rt", "no-upper-7", 1)),
        ("password", "No-digit-here"),
        *(("name", text) for text in ("Al", " Ann Able ", "x" * 100, "A", " A ", "x" * 101, "A\nB", None)),
        ("name", "A\u202eB"),
        *(("email", text) for text in ("ann@example.com", "", "ann", f"{'x' * 250}@example.com", None)),
    ],
)
def test_an_account_is_accepted_just_when_the_schema_allows_it(anonymous, field, value):
    body = {"email": "ann@example.com", "password": "Summer-r4in", "name": "Ann Able", field: value}
    allowed = problems_of(body, {"$ref": "#/components/schemas/RegisterRequest"}) == []

    assert (anonymous.post("/api/v1/auth/register", body).status_code == 201) == allowed


def test_the_document_is_compressed_for_who_accepts_it(client):
    plain, compressed = client.get(URL), client.get(URL, HTTP_ACCEPT_ENCODING="gzip")

    assert gzip.decompress(compressed.content) == plain.content
    assert len(compressed.content) < len(plain.content) / 5
    assert "Accept-Encoding" in plain["Vary"]
    again = client.get(URL, HTTP_ACCEPT_ENCODING="gzip", HTTP_IF_NONE_MATCH=compressed["ETag"])
    assert again.status_code == 304
