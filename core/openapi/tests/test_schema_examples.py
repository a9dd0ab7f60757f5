"""Examples in the OpenAPI document: they fit, and a person who tries an operation in the browser can send them."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest

from accounts.models import OneTimeToken, User
from accounts.services.passwords import issue_token
from accounts.tests.checks import token_in
from core.tests.contract import JSON, document, operations, problems_of, resolved
from core.tests.factories import DryRunFactory, JobFactory
from core.tests.samples import upload
from resources.tests.factories import AttachmentFactory, ResourceFactory, TagFactory

RESOURCES, REGISTER = "/api/v1/resources", "/api/v1/auth/register"
MULTIPART = "multipart/form-data"


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
    headers = {"Authorization": f"Bearer {answer.json()['data']['tokens']['accessToken']}"}
    example = paths[RESOURCES]["post"]["requestBody"]["content"][JSON]["example"]
    assert client.post(RESOURCES, example, JSON, headers=headers).status_code == 201


# --- what Swagger UI fills in before anybody has typed --------------------------------------------

# What cannot succeed as it stands: the account of the example is the caller's own, the token is of no session, there is
# no cookie, and only admins list users.
REFUSED = {"register": 409, "refresh": 401, "csrf": 401, "listUsers": 403}
# What names a thing that exists only once, and is pasted: the token of a mail, the id of a dry run.
PASTED = {
    **dict.fromkeys(("resetPassword", "verifyEmail", "undoEmailChange"), "token"),
    "importResource": "dryRunId",
}


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


def ids_of(account):
    """{parameter of a path: value}, by the beginning of the path."""
    user = {"user_id": account.user["id"]}
    gone = ResourceFactory(**user)
    gone.soft_delete()
    attachment = AttachmentFactory(resource=ResourceFactory(**user))
    return {
        f"{RESOURCES}/{{id}}/restore": {"id": gone.pk},
        RESOURCES: {"id": attachment.resource_id, "attachmentId": attachment.pk},
        "/api/v1/tags": {"id": TagFactory(**user).pk},
        "/api/v1/jobs": {"id": JobFactory(**user).pk},
        "/api/v1/users": {"id": account.user["id"]},
        "/api/v1/auth/sessions": {"id": account.get("/api/v1/auth/sessions").json()["data"][0]["id"]},
    }


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
    values = account.mailed | {"importResource": str(DryRunFactory(user_id=account.user["id"]).pk)}
    return {PASTED[name]: values[name]}


def body_of(account, operation, media, deliver):
    content = operation.get("requestBody", {}).get("content", {}).get(media)
    if content is None:
        return None
    if media == MULTIPART:
        properties = resolved(content["schema"])["properties"]
        fields = {key: filled_in(item) for key, item in properties.items() if filled_in(item) is not None}
        return fields | upload(b"title\nOne\n", "rows.csv")
    values = pasted(account, operation, deliver) if operation["operationId"] in PASTED else {}
    return content["example"] | values


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "operation", "media"),
    [
        (name, operation, media)
        for name, operation in operations()
        for media in operation.get("requestBody", {}).get("content", [JSON])
    ],
)
def test_what_is_filled_in_can_be_sent(account, deliver, name, operation, media):
    method, path = name.split()
    if "{" in path:
        path = path.format(**next(ids for start, ids in ids_of(account).items() if path.startswith(start)))
    query, headers = parameters(operation, "query"), parameters(operation, "header")
    body = body_of(account, operation, media, deliver)
    form = "multipart" if media == MULTIPART else "json"
    send = getattr(account, method.lower())
    answer = send(f"{path}?{urlencode(query)}", body, headers=headers, **({"format": form} if body else {}))

    refused = REFUSED.get(operation["operationId"])
    assert answer.status_code == refused if refused else answer.status_code < 300, answer.content
