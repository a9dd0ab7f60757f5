"""An application's use of the generated client: sign up, create, walk a list, change, upload, read errors by code."""

import io
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urljoin
from uuid import UUID

import httpx
from api_client import AuthenticatedClient, Client
from api_client.api.auth import login, logout, register
from api_client.api.resources import (
    create_attachment,
    create_resource,
    get_resource,
    list_resources,
    update_resource,
)
from api_client.api.users import get_me
from api_client.models import (
    AnyLoginResponseEnvelope,
    AttachmentEnvelope,
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
    UnsupportedMediaTypeResponse,
    UploadRequest,
    UserReadEnvelope,
)
from api_client.types import File
from session import Pair, Session, connect, new_key

EMAIL = "pat@example.com"


def enter(base: str, password: str) -> AuthenticatedClient:
    client = Client(base_url=base)
    person = RegisterRequest(email=EMAIL, password=password, name="Pat Python")
    register.sync(client=client, body=person, idempotency_key=new_key())
    account = LoginRequest(email=EMAIL, password=password)
    in_cookies = login.sync(client=client, body=account, delivery=LoginDelivery.COOKIE)
    assert isinstance(in_cookies, AnyLoginResponseEnvelope)
    assert isinstance(in_cookies.data, CookieLoginResponse)
    assert in_cookies.data.delivery == "cookie"
    in_body = login.sync(client=client, body=account)
    assert isinstance(in_body, AnyLoginResponseEnvelope)
    assert isinstance(in_body.data, LoginResponse)
    pair = in_body.data.tokens
    return connect(base, Session(base, Pair(pair.access_token, pair.refresh_token)))


def create(client: AuthenticatedClient, title: str) -> UUID:
    made = create_resource.sync(
        client=client,
        body=ResourceDetailRequest(title=title, tags=["typed"]),
        idempotency_key=new_key(),
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


def upload(client: AuthenticatedClient, base: str, key: UUID) -> None:
    def send(content: bytes, name: str) -> object:
        body = UploadRequest(file=File(io.BytesIO(content), name))
        return create_attachment.sync(key, client=client, body=body, idempotency_key=new_key())

    made = send(b"Hello\n", "hello.txt")
    assert isinstance(made, AttachmentEnvelope)
    assert httpx.get(urljoin(base, made.data.url)).content == b"Hello\n"
    assert isinstance(send(b"<!doctype html>", "page.html"), UnsupportedMediaTypeResponse)


def survives(client: AuthenticatedClient) -> None:
    """Create while the response is lost once: the request is sent again, and done once."""
    create(client, "Survives")
    rows = list_resources.sync(client=client, search="survives")
    assert isinstance(rows, ResourceListEnvelope)
    assert len(rows.data) == 1


def refreshes(base: str, expired: dict[str, str]) -> None:
    """Send requests in parallel with an expired token: one refreshes, and each is sent again."""
    stored: list[Pair | None] = []
    pair = Pair(expired["accessToken"], expired["refreshToken"])
    client = connect(base, Session(base, pair, store=stored.append))
    with ThreadPoolExecutor() as pool:
        for me in pool.map(lambda _n: get_me.sync(client=client), range(3)):
            assert isinstance(me, UserReadEnvelope)
            assert str(me.data.email).startswith("late.")
    assert len(stored) == 1
    logout.sync_detailed(client=client)

    ended = connect(base, Session(base, pair, store=stored.append))
    assert get_me.sync_detailed(client=ended).status_code == 401
    assert stored[1:] == [None]


def main() -> None:
    base, password, expired = sys.argv[1:]
    client = enter(base, password)
    first, *_others = [create(client, title) for title in ("One", "Two", "Three")]
    assert list(titles(client)) == ["One", "Three", "Two"]
    change(client, first)
    assert list(titles(client)) == ["Three", "Two", "One"]
    upload(client, base, first)
    assert refusal(client) == "title: blank"
    survives(client)
    refreshes(base, json.loads(expired))
    print("Python: every response was as typed")


main()
