"""Answers that are asked for again, kept in Redis under the revision of their owner.

A write moves the revision (core/db/owner_versions.py) with its commit, and the revision is read with the session
before an answer is looked for: what it finds is never older than what its reader has written. The reader's id is in
the key: it is never shared. The rate limit's round trip asks for it (core/api/throttling.py), and a first miss leaves
a mark there, so that only what is asked for a second time is kept.
"""

from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpResponse
from rest_framework.response import Response

from core.db.redis_client import shared_link
from core.web import metrics
from core.web.renderers import Rendered

PRIVATE = "private, no-cache"
MOST_BYTES = 256 * 1024
HIT, MISS = metrics.kept_reads_total.labels("hit"), metrics.kept_reads_total.labels("miss")


class Kept(NamedTuple):
    """What the limiter has found: None for nothing, b"" for the mark of somebody who asked before."""

    key: str
    found: bytes | None


def key_of(user_id: Any, tag: str, path: str) -> str:
    return f"read:{user_id}:{tag}:{path}"


def answer_of(kept: Kept | None) -> tuple[str, Response] | None:
    """The ETag and the answer, where there is one."""
    if kept is None:
        return None
    if not kept.found:
        MISS.inc()
        return None
    HIT.inc()
    etag, _, body = kept.found.partition(b"\n")
    tag = etag.decode()
    return tag, Response(Rendered(body), headers={"ETag": tag, "Cache-Control": PRIVATE})


def keep(view: Any, response: Response) -> Response:
    """Keep this answer, once it is rendered, if somebody has asked for it before."""
    kept: Kept | None = view.kept
    if kept is not None and kept.found is not None:
        response.add_post_render_callback(partial(store, kept.key))
    return response


def store(key: str, response: HttpResponse) -> None:
    link = shared_link()
    body = response.content
    if link is not None and response.status_code == 200 and len(body) <= MOST_BYTES:
        value = response.headers["ETag"].encode() + b"\n" + body
        link.call("SET", key, value, "EX", settings.READ_CACHE_SECONDS)
