"""The OpenAPI document, and the view that serves it."""

import hashlib
import threading
from functools import cache

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import etag
from drf_spectacular.generators import SchemaGenerator

# drf-spectacular looks for its extensions meanwhile, and two threads that do so at once get in each other's way.
generating = threading.Lock()


@cache
def document() -> bytes:
    """Generate the document, once per process: it depends on nothing but the code and the settings."""
    with generating:
        return orjson.dumps(SchemaGenerator().get_schema(request=None, public=True))


@cache
def document_etag() -> str:
    return f'"{hashlib.sha256(document()).hexdigest()[:32]}"'


@gzip_page  # nothing in it is secret, so its length betrays nothing (BREACH)
@etag(lambda _request: document_etag())
def schema_view(_request: HttpRequest) -> HttpResponse:
    """Return the document to anybody: it holds nothing that the published source does not."""
    return HttpResponse(document(), content_type="application/json", headers={"Cache-Control": "no-cache"})
