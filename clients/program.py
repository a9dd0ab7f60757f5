"""An application's use of the generated client: log in, create, walk a list, change, read errors by code."""

import sys
from collections.abc import Iterator
from uuid import UUID

from api_client import AuthenticatedClient, Client
from api_client.api.auth import login, register
from api_client.api.resources import create_resource, get_resource, list_resources, update_resource
from api_client.models import (
    AnyLoginResponseEnvelope,
    BadRequestResponse,
    BadRequestResponseErrorCode,
    CookieLoginResponse,
    CursorMeta,
    ListResourcesFieldsItem,
    ListResourcesSortItem,
    LoginDelivery,
    LoginRequest,
    LoginResponse,
    PatchedResourceDetailRequest,
    PreconditionFailedResponse,
    PreconditionFailedResponseErrorCode,
    RegisterRequest,
    ResourceDetail,
    ResourceDetailEnvelope,
    ResourceDetailReadEnvelope,
    ResourceDetailRequest,
    ResourceListEnvelope,
    ResourceStatus,
)

EMAIL = "pat@example.com"


def enter(base: str, password: str) -> AuthenticatedClient:
    client = Client(base_url=base)
    register.sync(client=client, body=RegisterRequest(email=EMAIL, password=password, name="Pat Python"))
    account = LoginRequest(email=EMAIL, password=password)
    in_cookies = login.sync(client=client, body=account, delivery=LoginDelivery.COOKIE)
    assert isinstance(in_cookies, AnyLoginResponseEnvelope)
    assert isinstance(in_cookies.data, CookieLoginResponse)
    assert in_cookies.data.delivery == "cookie"
    in_body = login.sync(client=client, body=account)
    assert isinstance(in_body, AnyLoginResponseEnvelope)
    assert isinstance(in_body.data, LoginResponse)
    return AuthenticatedClient(base_url=base, token=in_body.data.tokens.access_token)


def create(client: AuthenticatedClient, title: str) -> UUID:
    made = create_resource.sync(
        client=client,
        body=ResourceDetailRequest(title=title, tags=["typed"]),
        idempotency_key=f"create-{title}",
    )
    assert isinstance(made, ResourceDetailEnvelope)
    return made.data.id


def titles(client: AuthenticatedClient) -> Iterator[str]:
    cursor: str | None = ""
    while cursor is not None:
        page = list_resources.sync(
            client=client,
            cursor=cursor,
            limit=2,
            sort=[ListResourcesSortItem.STATUS, ListResourcesSortItem.TITLE],
            fields=[ListResourcesFieldsItem.TITLE, ListResourcesFieldsItem.STATUS],
            tag=["typed"],
        )
        assert isinstance(page, ResourceListEnvelope)
        assert isinstance(page.meta, CursorMeta)
        for resource in page.data:
            assert isinstance(resource.title, str)
            yield resource.title
        cursor = page.meta.next_cursor


def change(client: AuthenticatedClient, key: UUID) -> None:
    read = get_resource.sync_detailed(key, client=client)
    assert isinstance(read.parsed, ResourceDetailReadEnvelope)
    assert isinstance(read.parsed.data, ResourceDetail)
    held = read.headers["ETag"]
    published = PatchedResourceDetailRequest(status=ResourceStatus.PUBLISHED)
    changed = update_resource.sync_detailed(key, client=client, body=published, if_match=held)
    assert isinstance(changed.parsed, ResourceDetailEnvelope)
    assert changed.parsed.data.status is ResourceStatus.PUBLISHED
    stale = update_resource.sync_detailed(key, client=client, body=published, if_match=held)
    assert isinstance(stale.parsed, PreconditionFailedResponse)
    assert stale.parsed.error.code is PreconditionFailedResponseErrorCode.PRECONDITION_FAILED
    assert stale.headers["ETag"] == changed.headers["ETag"]


def refusal(client: AuthenticatedClient) -> str:
    response = create_resource.sync(client=client, body=ResourceDetailRequest(title=" "))
    assert isinstance(response, BadRequestResponse)
    if response.error.code is BadRequestResponseErrorCode.VALIDATION_ERROR:
        return ",".join(f"{detail.field}: {detail.code}" for detail in response.error.details)
    return response.error.message


def main() -> None:
    base, password = sys.argv[1:]
    client = enter(base, password)
    first, *_others = [create(client, title) for title in ("One", "Two", "Three")]
    assert list(titles(client)) == ["One", "Three", "Two"]
    change(client, first)
    assert list(titles(client)) == ["Three", "Two", "One"]
    assert refusal(client) == "title: blank"
    print("Python: every response was as typed")


main()
