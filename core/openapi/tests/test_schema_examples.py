"""Examples in the OpenAPI document: they fit, and a person who tries an operation in the browser can send them."""

import json
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from accounts.models import OneTimeToken, User
from accounts.services.passwords import issue_token
from accounts.tests.checks import token_in
from accounts.tests.factories import UserFactory
from config.local_apps import LOCAL_APPS
from config.tests import inventory, matrix
from core.tests.contract import JSON, document, operations, problems_of, resolved
from core.tests.factories import DryRunFactory
from core.tests.samples import upload

REGISTER = "/api/v1/auth/register"
MULTIPART = "multipart/form-data"
VARIABLE = re.compile(r"\{\w+\}")


def bodies():
    for name, operation in operations():
        parts = [("request", operation.get("requestBody", {})), *operation["responses"].items()]
        for part, body in parts:
            for media in resolved(body).get("content", {}).values():
                yield f"{name} {part}", media


def test_every_body_has_examples_and_they_fit():
    for name, media in bodies():
        examples = [item["value"] for item in media.get("examples", {}).values()]
        examples += [media["example"]] if "example" in media else []
        assert examples, name
        for example in examples:
            assert problems_of(example, media["schema"]) == [], name
            assert '"string"' not in json.dumps(example), f"{name}: give a field of its serializer an example"


@pytest.mark.django_db
def test_the_examples_of_requests_are_accepted(client):
    paths = document()["paths"]
    for path, status in (("/api/v1/auth/register", 201), ("/api/v1/auth/login", 200)):
        answer = client.post(path, paths[path]["post"]["requestBody"]["content"][JSON]["example"], JSON)
        assert answer.status_code == status, answer.content


# --- what Swagger UI fills in before anybody has typed --------------------------------------------

# What cannot succeed as it stands: the account of the example is the caller's own, the token is of no session, there is
# no cookie, and only admins list users.
REFUSED = {"register": 409, "refresh": 401, "csrf": 401, "listUsers": 403}
# Without an authenticator app.
REFUSED |= {"confirmTotp": 409, "renewRecoveryCodes": 409, "removeTotp": 404}
# What a browser signs, for a challenge of its own.
REFUSED |= {"addPasskey": 400, "logInWithPasskey": 401, "removePasskey": 404}
# Of a provider, which only its operator configures.
REFUSED |= {"startSignIn": 404, "finishSignIn": 404, "createIdentity": 400}
# What names a thing that exists only once, and is pasted: the token of a mail. So is the id of a dry run.
PASTED = frozenset({"resetPassword", "verifyEmail", "undoEmailChange", "undelete", "notMe"})


def filled_in(part):
    """The value of a parameter or a property; None where its input stays empty."""
    schema = part.get("schema", part)
    given = [item["value"] for item in part.get("examples", {}).values()] if "schema" in part else []
    given += [holder[key] for holder in (part, schema) for key in ("example", "default") if key in holder]
    value = next(iter(given), None)
    return ",".join(value) if isinstance(value, list) else value


def parameters(operation, place):
    found = [item for item in map(resolved, operation.get("parameters", [])) if item["in"] == place]
    return {item["name"]: filled_in(item) for item in found if filled_in(item) is not None}


@pytest.fixture
def account(anonymous, deliver):
    """The account of the examples, logged in."""
    answer = anonymous.post(
        REGISTER, document()["paths"][REGISTER]["post"]["requestBody"]["content"][JSON]["example"]
    )
    [mail] = deliver()
    anonymous.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['data']['tokens']['accessToken']}")
    anonymous.user = answer.json()["data"]["user"]
    anonymous.mailed = {"verifyEmail": token_in(mail)}
    return anonymous


def keys_of(account, method, path):
    """The keys in the path: of a row of the account, or of the account itself."""
    user = User.objects.get(pk=account.user["id"])
    operation = f"{method} {VARIABLE.sub('{id}', path)}"
    return matrix.keys(operation, user) if operation in matrix.row_operations() else [user.pk]


def pasted(account, operation, deliver):
    name = operation["operationId"]
    if name == "resetPassword":
        account.post("/api/v1/auth/forgot-password", {"email": account.user["email"]})
        account.mailed[name] = token_in(deliver()[0])
    if name == "undoEmailChange":
        user = User.objects.get(pk=account.user["id"])
        account.mailed[name] = issue_token(
            user, OneTimeToken.Purpose.EMAIL_UNDO, user.email, timedelta(days=7)
        )
    if name == "notMe":
        user = User.objects.get(pk=account.user["id"])
        account.mailed[name] = issue_token(user, OneTimeToken.Purpose.NOT_ME, user.email, timedelta(days=7))
    if name == "undelete":
        gone = UserFactory()
        gone.soft_delete()
        account.mailed[name] = issue_token(
            gone, OneTimeToken.Purpose.UNDELETE, gone.email, timedelta(days=30)
        )
    return {"token": account.mailed[name]}


def body_of(account, operation, media, deliver):
    content = operation.get("requestBody", {}).get("content", {}).get(media)
    if content is None:
        return None
    if media == MULTIPART:
        properties = resolved(content["schema"])["properties"]
        fields = {key: filled_in(item) for key, item in properties.items() if filled_in(item) is not None}
        return fields | upload(b"title\nOne\n", "rows.csv")
    values = pasted(account, operation, deliver) if operation["operationId"] in PASTED else {}
    if "dryRunId" in content["example"]:
        kind = f"{operation['operationId'].removeprefix('import').lower()}.import"
        values["dryRunId"] = str(DryRunFactory(user_id=account.user["id"], kind=kind).pk)
    return content["example"] | values


def is_known(name):
    """Return whether this test knows which rows a request to the operation needs."""
    path = VARIABLE.sub("{id}", name.partition(" ")[2])
    view_class = inventory.api_views().get(path)
    app = getattr(view_class, "__module__", "core").partition(".")[0]
    return app not in LOCAL_APPS or app == "resources"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "operation", "media"),
    [
        (name, operation, media)
        for name, operation in operations()
        if is_known(name)
        for media in operation.get("requestBody", {}).get("content", [JSON])
    ],
)
def test_what_is_filled_in_can_be_sent(account, deliver, name, operation, media):
    method, path = name.split()
    for key in keys_of(account, method, path) if "{" in path else ():
        path = VARIABLE.sub(str(key), path, count=1)
    query, headers = parameters(operation, "query"), parameters(operation, "header")
    body = body_of(account, operation, media, deliver)
    form = "multipart" if media == MULTIPART else "json"
    send = getattr(account, method.lower())
    answer = send(f"{path}?{urlencode(query)}", body, headers=headers, **({"format": form} if body else {}))

    refused = REFUSED.get(operation["operationId"])
    assert answer.status_code == refused if refused else answer.status_code < 300, answer.content
