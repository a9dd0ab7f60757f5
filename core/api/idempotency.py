"""Safe retries: a POST that creates may carry an Idempotency-Key, and then has its effect once.

The response is stored in the transaction of the effect, so a process that is killed has done neither or both. A
repetition gets the same status, body and headers. A failed request has no effect and is not stored: the client can
send it again under the same key (as Stripe does; draft-ietf-httpapi-idempotency-key-header).
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial, wraps
from typing import Any

import orjson
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.files.uploadedfile import UploadedFile
from django.db import InterfaceError, OperationalError, connection, transaction
from django.http import HttpResponse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.models import StoredResponse
from core.api.scopes import ScopedCredential
from core.db.retries import repeated
from core.web import keys
from core.web import request_context as context
from core.web.client_address import limit_key
from core.web.errors import ApiError, FieldError
from core.web.renderers import EnvelopeRenderer

HEADER = "Idempotency-Key"
VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}")
LIFETIME = timedelta(hours=24)
RETRY_SECONDS = 1
NONCE_BYTES = 12
REPLAYED_HEADERS = ("ETag", "Location", "Cache-Control")

# The header, for OpenAPI.
PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "description": "The same key and request within 24 hours have their effect once, and the same response again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]+$"},
}

_running: set[str] = set()
_running_lock = threading.Lock()


def idempotent(handler: Any = None, *, prepare: str = "", drop: str = "") -> Any:
    """Decorate a view's method that creates: `@idempotent`, or with work that must not be in its transaction.

        @idempotent(prepare="take_upload", drop="drop_upload")
        def create(self, request, *args, prepared, **kwargs): ...

    `prepare` names a method of the view that is called with the request's arguments before any transaction is
    open: it validates, hashes, stores a file. The handler gets the result as `prepared`, and only writes; it may
    be called again with the same one after a deadlock has undone its transaction. A repetition with a stored
    response prepares nothing. `drop` names a method that undoes an unused preparation: the handler failed, or a
    parallel request of the same key was faster. It is not called after the connection to the database broke, since
    the transaction may have been committed.
    """
    if handler is None:
        return partial(idempotent, prepare=prepare, drop=drop)

    @wraps(handler)
    def once(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        def act(**prepared: Any) -> Response:
            response: Response = handler(view, request, *args, **kwargs, **prepared)
            return response

        preparation = Preparation(
            make=partial(getattr(view, prepare), request, *args, **kwargs) if prepare else None,
            drop=getattr(view, drop) if drop else None,
        )
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return preparation.around(act, repeated)
        if not VISIBLE_ASCII.fullmatch(key):
            raise FieldError(HEADER, "invalid", "Must be 1 to 255 visible ASCII characters.")
        seals = seals_of(request, key)  # reads the body, before a transaction is open
        with alone(next(iter(seals))):
            return replay(seals) or preparation.around(
                act, lambda write: repeated(partial(perform, seals, write))
            )

    once.is_idempotent = True  # type: ignore[attr-defined]  # for the schema
    return once


@dataclass(frozen=True)
class Preparation:
    """The work before the transaction, undone if it is not used."""

    make: Callable[[], Any] | None
    drop: Callable[[Any], None] | None

    def around(self, act: Callable[..., Response], perform: Callable[[Callable[[], Response]], Any]) -> Any:
        """Return the response of `perform`, which calls `act` or returns a stored response. Prepares first."""
        if self.make is None:
            return perform(act)
        prepared, used = self.make(), False

        def write() -> Response:
            nonlocal used
            used = True
            return act(prepared=prepared)

        try:
            response = perform(write)
        except (OperationalError, InterfaceError):
            raise
        except BaseException:
            self.undo(prepared)
            raise
        if not used:
            self.undo(prepared)
        return response

    def undo(self, prepared: Any) -> None:
        if self.drop is not None:
            self.drop(prepared)


def caller_of(request: Request) -> str:
    """Return the user, the role and the API key, or the address. With the role, a response to an admin is not repeated
    to the same user without that role: the request is processed again, or refused. So is that to another key."""
    user: Any = request.user
    if user and user.is_authenticated:
        key = f" key {request.auth.pk}" if isinstance(request.auth, ScopedCredential) else ""
        return f"user {user.pk} {user.role}{key}"
    return f"address {limit_key(context.current.get().limit_address)}"


@dataclass(frozen=True)
class Seal:
    """The cipher of a stored response, AES-256 in GCM, and the fingerprint of its request."""

    cipher: AESGCM
    fingerprint: str

    def encrypt(self, content: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self.cipher.encrypt(nonce, content, None)

    def decrypt(self, content: bytes) -> bytes:
        """Return the plain text. Raise InvalidTag if a byte was changed."""
        return self.cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], None)


def seals_of(request: Request, key: str) -> dict[str, Seal]:
    """Return the name of the row with its seal, then those of servers with another SECRET_KEY. Each is derived from
    SECRET_KEY and the client's key, which are not stored. So the database alone neither reveals a response, tokens
    included, nor confirms a guess of a request, password included."""
    content, secret = content_of(request), f"{caller_of(request)} {key}"
    names = keys.hexdigests("core.idempotency-name", secret)
    bodies = keys.digests("core.idempotency-body", secret)
    prints = keys.digests("core.idempotency-fingerprint", secret)
    return {
        name: Seal(AESGCM(body), hmac.new(print_key, content, hashlib.sha256).hexdigest())
        for name, body, print_key in zip(names, bodies, prints, strict=True)
    }


def content_of(request: Request) -> bytes:
    """Return the method, path, query and body, by which requests are compared."""
    data: Any = request.data
    if isinstance(data, MultiValueDict):
        data = dict(data.lists())
    # The standard library's: a field that is ignored may hold an integer beyond 64 bits, which orjson refuses.
    body = json.dumps(data, sort_keys=True, default=digest).encode()
    return f"{request.method} {request.get_full_path()} ".encode() + body


def digest(upload: Any) -> list[Any]:
    """Return the name, size and hash of a file, for the fingerprint. The file is at its beginning again."""
    if not isinstance(upload, UploadedFile):
        raise TypeError(f"{type(upload).__name__} has no fingerprint")
    content = hashlib.sha256()
    for chunk in upload.chunks():
        content.update(chunk)
    upload.seek(0)
    return [upload.name, upload.size, content.hexdigest()]


def replay(seals: dict[str, Seal]) -> HttpResponse | None:
    """Return the stored response, or None. Raises ApiError if the key belongs to another request."""
    fresh = StoredResponse.objects.filter(created_at__gt=timezone.now() - LIFETIME)
    stored = fresh.filter(pk__in=seals).first()
    if stored is None:
        return None
    seal = seals[stored.pk]
    if stored.fingerprint != seal.fingerprint:
        raise ApiError("IDEMPOTENCY_KEY_REUSED")
    return opened(seal.decrypt(bytes(stored.content)), stored.status)


def perform(seals: dict[str, Seal], act: Callable[[], Response]) -> Any:
    name, seal = next(iter(seals.items()))
    with transaction.atomic():
        if not all(locked(each) for each in seals):
            raise ApiError("IDEMPOTENCY_IN_PROGRESS", retry_after=RETRY_SECONDS)
        stored = replay(seals)  # a parallel request may have finished before the lock
        if stored is not None:
            return stored
        response = act()
        StoredResponse.objects.filter(pk=name).delete()  # one that has expired
        StoredResponse.objects.create(
            name=name,
            fingerprint=seal.fingerprint,
            status=response.status_code,
            content=seal.encrypt(sealed(response)),
        )
    return response


def sealed(response: Response) -> bytes:
    body = EnvelopeRenderer().render(response.data, renderer_context={"response": response})
    return orjson.dumps(
        {
            "body": body.decode(),
            "headers": {header: response[header] for header in REPLAYED_HEADERS if header in response},
            "cookies": response.cookies.output(header="", sep=";"),
        }
    )


def opened(content: bytes, status: int) -> HttpResponse:
    payload = orjson.loads(content)
    headers = payload["headers"] | {"Idempotency-Replayed": "true"}
    response = HttpResponse(payload["body"], status=status, headers=headers, content_type="application/json")
    response.cookies.load(payload["cookies"])
    return response


def locked(name: str) -> bool:
    """Lock the name until the transaction ends. Return False if another transaction has locked it.

    On SQLite the transaction itself, begun IMMEDIATE, is the lock.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [int(name[:15], 16)])
        return bool(cursor.fetchone()[0])


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Refuse a second request of the same name in this process at once, on any database."""
    with _running_lock:
        if name in _running:
            raise ApiError("IDEMPOTENCY_IN_PROGRESS", retry_after=RETRY_SECONDS)
        _running.add(name)
    try:
        yield
    finally:
        with _running_lock:
            _running.discard(name)
