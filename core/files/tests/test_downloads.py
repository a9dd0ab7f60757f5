"""Downloads by signed URLs: their headers, their lifetime, ranges."""

import re
from contextlib import closing

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.http import FileResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from core.files import services as files
from core.files.models import StoredFile
from core.files.tests.sample_files import stored_file
from core.files.views import CHUNK_BYTES, file_view

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("disk")]

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def stored():
    return stored_file(CONTENT, content_type="image/png", filename="a.png")


@pytest.fixture
def url(stored):
    return files.signed_url(stored, inline=True)


def test_it_needs_no_token_and_has_the_type_of_the_file(disk, url):
    status, headers, body = disk.fetch(url)

    assert (status, body) == (200, CONTENT)
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["Content-Disposition"] == "inline; filename=\"a.png\"; filename*=utf-8''a.png"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in headers["Content-Security-Policy"]
    assert re.fullmatch(r"private, max-age=(299|300), immutable", headers["Cache-Control"])


def test_any_other_character_makes_it_invalid(disk, url):
    start = url.index("?") + 1
    for position in range(start, len(url)):
        other = "A" if url[position] != "A" else "B"
        assert disk.fetch(f"{url[:position]}{other}{url[position + 1 :]}")[0] == 403


@pytest.mark.parametrize("change", [lambda url: url + "&a=1", lambda url: url + "=", lambda url: url[:-1]])
def test_nothing_may_be_added_or_taken_away(disk, url, change):
    assert disk.fetch(change(url))[0] == 403


@pytest.mark.parametrize("query", ["", "?token=", "?token=x.y", "?token=%00", "?token=é", "?other=1"])
def test_an_unsigned_token_is_refused(disk, anonymous, query):
    response = anonymous.get(f"/api/v1/files{query}")

    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")


def test_it_is_valid_for_five_minutes(disk, stored):
    with time_machine.travel(timezone.now(), tick=False) as clock:
        url = files.signed_url(stored)
        clock.shift(299)
        before = disk.fetch(url)[0]
        clock.shift(1)
        after = disk.fetch(url)[0]

    assert (before, after) == (200, 403)


def test_it_may_be_used_more_than_once(disk, url):
    assert [disk.fetch(url)[0] for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("state", ["pending", "deleting"])
def test_a_pending_or_deleted_file_is_not_found(disk, stored, url, state):
    StoredFile.objects.update(state=state, user=None, filename="")

    assert disk.fetch(url)[0] == 404


def test_a_lost_file_is_not_found(disk, stored, url):
    files.storage.delete(stored.name)

    assert disk.fetch(url)[0] == 404


def test_the_file_of_a_deleted_user_is_not_found(disk, stored, url):
    get_user_model().objects.get(pk=stored.user_id).delete()

    assert disk.fetch(url)[0] == 404


def test_head_has_the_headers_without_the_bytes(url):
    response = Client().head(url)

    assert (response.status_code, response["Content-Length"]) == (200, str(len(CONTENT)))
    assert b"".join(response.streaming_content) == b""


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=255990-", 255990, 255999),
        ("bytes=255990-999999", 255990, 255999),
        ("bytes=-5", 255995, 255999),
        ("bytes=-9999999", 0, 255999),
        ("BYTES = 3-4", 3, 4),
    ],
)
def test_a_range_is_sent(disk, url, header, first, last):
    status, headers, body = disk.fetch(url, Range=header)

    assert (status, body) == (206, CONTENT[first : last + 1])
    assert headers["Content-Range"] == f"bytes {first}-{last}/256000"
    assert headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("header", ["bytes=256000-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused(anonymous, url, header):
    response = anonymous.get(url, headers={"Range": header})

    assert (response.status_code, response["Content-Range"]) == (416, "bytes */256000")
    assert response.json()["error"]["code"] == "RANGE_NOT_SATISFIABLE"


@pytest.mark.parametrize(
    "header",
    [
        "bytes=5-3",
        "bytes=-",
        "bytes=a-b",
        "lines=1-2",
        "bytes=0-1,5-6",
        "bytes=" + ",".join(["0-"] * 1000),
        "x",
    ],
)
def test_several_ranges_or_an_invalid_one_give_the_whole_file(disk, url, header):
    status, headers, body = disk.fetch(url, Range=header)

    assert (status, len(body), "Content-Range" in headers) == (200, len(CONTENT), False)


def test_if_range_compares_the_etag(disk, url):
    etag = disk.fetch(url)[1]["ETag"]

    assert disk.fetch(url, Range="bytes=0-4", **{"If-Range": etag})[0] == 206
    assert disk.fetch(url, Range="bytes=0-4", **{"If-Range": '"other"'})[0] == 200
    assert disk.fetch(url, Range="bytes=0-4", **{"If-Range": "Sat, 21 Nov 2026 10:00:00 GMT"})[0] == 200


def test_if_none_match_gives_304(disk, url):
    etag = disk.fetch(url)[1]["ETag"]

    assert disk.fetch(url, **{"If-None-Match": etag})[::2] == (304, b"")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_it_can_only_be_read(url, method):
    response = getattr(Client(), method)(url)

    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_it_is_sent_in_chunks(url):
    response = Client().get(url)

    assert max(len(chunk) for chunk in response.streaming_content) <= CHUNK_BYTES


def test_the_server_gets_a_file_so_that_a_slow_client_holds_no_thread(url):
    response = file_view(RequestFactory().get(url, headers={"Range": "bytes=5-9"}))

    assert isinstance(response, FileResponse)
    with closing(response.file_to_stream) as part:  # given to `wsgi.file_wrapper`
        assert part.read(100) == CONTENT[5:10]


def test_a_page_of_thumbnails_is_not_limited(disk, url, rates):
    rates(anon=1, user=1)

    assert {disk.fetch(url)[0] for _ in range(5)} == {200}


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ('quo"te.txt', "attachment; filename=\"quo_te.txt\"; filename*=utf-8''quo%22te.txt"),
        (
            "grüße 😀.txt",
            "attachment; filename=\"gr__e _.txt\"; filename*=utf-8''gr%C3%BC%C3%9Fe%20%F0%9F%98%80.txt",
        ),
        ("50% why?.txt", "attachment; filename=\"50_ why_.txt\"; filename*=utf-8''50%25%20why%3F.txt"),
    ],
)
def test_the_name_is_encoded_as_in_the_rfc(disk, name, disposition):
    stored = stored_file(filename=name)

    assert disk.fetch(files.signed_url(stored))[1]["Content-Disposition"] == disposition


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("invoice.bat", "invoice.txt"),
        ("run%2Ehta", "run_2Ehta"),
        ("=?utf-8?B?aW52b2ljZS5iYXQ=?=", "=_utf-8_B_aW52b2ljZS5iYXQ=_="),
        ("inv\uff0ebat", "inv.txt"),
    ],
)
def test_an_older_record_gets_a_name_that_fits_its_type(disk, stored, name, fits):
    StoredFile.objects.update(filename=name, content_type="text/plain")
    stored.refresh_from_db()
    headers = disk.fetch(files.signed_url(stored))[1]

    assert headers["Content-Disposition"].startswith(f'attachment; filename="{fits}"; filename*=utf-8')


def test_urls_begin_with_the_api_url_of_the_settings(settings, stored):
    assert files.signed_url(stored).startswith("/api/v1/files?token=")
    settings.API_URL = "https://api.example.com"
    assert files.signed_url(stored).startswith("https://api.example.com/api/v1/files?token=")
