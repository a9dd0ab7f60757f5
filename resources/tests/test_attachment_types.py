"""Types of attachments, read from their bytes, and images encoded again."""

import pytest
from PIL import Image, ImageChops

from core.files import images
from core.files.models import StoredFile
from core.tests import samples
from core.tests.answers import code, problems
from core.tests.samples import PDF, SECRET
from core.web.concurrency import ConcurrencyLimit

pytestmark = [pytest.mark.django_db, pytest.mark.once]

PROSE = b"Dear Ada,\nthe minutes, as promised.\n"
TABLE = b"name,age\nAda,36\nBob,41\n"


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (samples.png(), "a.txt", "image/png"),
        (samples.photo(), "a.png", "image/jpeg"),
        (samples.webp(), "a", "image/webp"),
        (samples.webp(lossless=True), "a", "image/webp"),
        (samples.gif(), "a.html", "image/gif"),
        (PDF, "a.jpg", "application/pdf"),
        (PROSE, "a.pdf", "text/plain"),
        (b"\xef\xbb\xbfwith a mark of its order", "a", "text/plain"),
        (b"BM is how a bitmap begins, and this sentence", "a", "text/plain"),
        (b"<3 and no markup", "a", "text/plain"),
        (b"<scripture> and <b>markup</b>, then <script>alert(1)</script>", "a", "text/plain"),
        (b"<!-- a comment --><script>alert(1)</script>", "a", "text/plain"),
        (b"<note>XML without its declaration</note>", "a", "text/plain"),
        (b"% a TeX file", "a", "text/plain"),
        (b"colours \x1b[31mof a terminal\x1b[0m, and \x0c a new page", "a", "text/plain"),
        (b"\n" * 100_000 + b"after many blank lines", "a", "text/plain"),
        (b"\xef\xbb\xbf" + PDF, "a", "application/pdf"),
        (b"\r\n \n" + PDF, "a", "application/pdf"),
        (TABLE, "a", "text/csv"),
        (TABLE.replace(b",", b";"), "a.txt", "text/csv"),
        (b"one column\nonly\n", "a.csv", "text/csv"),
        (b"one column\nonly\n", "a.txt", "text/plain"),
        (b"Hello, Ada\nYours, Bob\n", "a.txt", "text/plain"),
    ],
)
def test_the_type_is_read_from_the_bytes(attach, content, name, expected):
    response = attach(content, name, "text/html")

    assert response.status_code == 201, response.content
    assert response.json()["data"]["contentType"] == expected


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"\n <?xml version='1.0'?><svg/>",
        b"\xef\xbb\xbf<!DOCTYPE html><html></html>",
        b"\n" * 65_533 + b"<script>alert(1)</script>",  # at the border of two chunks
        b"<!doctype\n HTML>",
        b"<SVG/onload=alert(1)>",
        b"<?php system('id');",
        b"%!PS-Adobe-3.0",
        b"{\\rtf1\\ansi}",
        b"PK\x03\x04" + bytes(100),
        b"MZ" + bytes(100),
        b"\x7fELF" + bytes(100),
        "in another code".encode("utf-16"),
        b"caf\xe9",
        b"a NUL \x00 in a text",
        b"a" * 70_000 + b"\xff",
        b"\xe2\x82",
        b"Rubbish before %PDF-1.4\n\x00%%EOF",
        PDF.replace(b"1 0 obj", b"<script>alert(1)</script>"),
        PDF[:-6] + b"PK\x05\x06" + bytes(18) + b"\n%%EOF",
        b"RIFF\x10\0\0\0AVI LIST" + bytes(50),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"GIF89a<script>alert(1)</script>",
    ],
)
def test_other_types_are_refused(disk, attach, content):
    response = attach(content, "innocent.txt", "text/plain")

    assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (disk.names(), StoredFile.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (samples.bomb(), "too_many_pixels"),
        (samples.bomb(4000, 4000), "invalid_image"),
        (samples.photo()[:4000], "invalid_image"),
        (samples.photo()[:-2000], "invalid_image"),
        (PDF + b"more", "invalid_pdf"),
        (PDF[:-7], "invalid_pdf"),
    ],
)
def test_bombs_and_fragments_are_refused(disk, attach, content, problem):
    assert problems(attach(content)) == {"file": problem}
    assert (disk.names(), StoredFile.objects.count()) == ([], 0)


@pytest.mark.parametrize("content", [samples.photo(), samples.png(), samples.gif()])
def test_images_lose_their_metadata(disk, attach, content):
    assert SECRET.encode() in content
    data = attach(content).json()["data"]
    stored = disk.fetch(data["url"])[2] + disk.fetch(data["thumbnailUrl"])[2]

    assert SECRET.encode() not in stored
    assert b"Exif" not in stored


def test_bytes_after_the_end_of_an_image_are_dropped(disk, attach):
    data = attach(samples.gif() + b"<script>alert(1)</script>").json()["data"]

    assert b"<script>" not in disk.fetch(data["url"])[2]


def test_a_photo_is_turned_upright(disk, attach):
    data = attach(samples.photo(80, 60, orientation=6)).json()["data"]  # its left side is the top

    picture = samples.opened(disk.fetch(data["url"])[2])
    assert (data["width"], data["height"], picture.size) == (60, 80, (60, 80))
    assert picture.getpixel((30, 10))[0] > 200
    assert picture.getpixel((30, 70))[2] > 200


def test_an_animation_remains_an_animation(disk, attach):
    data = attach(samples.gif(frames=5)).json()["data"]

    film = samples.opened(disk.fetch(data["url"])[2])
    assert (film.n_frames, film.info["loop"]) == (5, 3)
    film.seek(2)
    assert film.info["duration"] == 70


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_pixel_has_its_thumbnail(disk, attach, mode):
    data = attach(samples.encoded(Image.new(mode, (640, 20)), "PNG")).json()["data"]

    assert samples.opened(disk.fetch(data["url"])[2]).mode == mode
    assert samples.opened(disk.fetch(data["thumbnailUrl"])[2]).size == (320, 10)


def test_a_cmyk_jpeg_becomes_rgb(disk, attach):
    data = attach(samples.encoded(Image.new("CMYK", (20, 20)), "JPEG")).json()["data"]

    assert samples.opened(disk.fetch(data["url"])[2]).mode == "RGB"


def test_an_image_over_the_time_limit_is_refused(disk, attach, monkeypatch):
    monkeypatch.setattr(images, "WALL_SECONDS", 0.001)

    assert code(attach(samples.png())) == (503, "SERVICE_UNAVAILABLE")
    assert (disk.names(), StoredFile.objects.count()) == ([], 0)


def test_an_image_over_the_concurrency_limit_gets_retry_after(attach, monkeypatch):
    monkeypatch.setattr(images, "limit", ConcurrencyLimit(slots=1, waiting=0, timeout=0))
    with images.limit.slot():
        response = attach(samples.png())

    assert (code(response), response["Retry-After"]) == ((503, "SERVICE_UNAVAILABLE"), "2")
    assert attach(samples.png()).status_code == 201


def without_end(**options):
    """Return a photo with much detail and without its end marker, as some cameras write it."""
    detail = Image.effect_noise((800, 600), 80).convert("RGB")
    content = samples.encoded(detail, "JPEG", quality=90, **options)
    assert content.endswith(b"\xff\xd9")
    return content[:-2]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize(("cut", "behind"), [(0, b""), (0, bytes(4096)), (8, b"")])
def test_a_jpeg_without_its_end_marker_is_accepted(disk, attach, options, cut, behind):
    content = without_end(**options)
    data = attach(content[: len(content) - cut] + behind).json()["data"]
    stored = samples.opened(disk.fetch(data["url"])[2])
    sent = samples.opened(content + b"\xff\xd9")

    assert (stored.format, stored.size) == ("JPEG", (800, 600))
    above = (0, 0, 800, 584)
    assert max(high for _low, high in ImageChops.difference(stored, sent).crop(above).getextrema()) < 16


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
@pytest.mark.parametrize("missing", [8_000, 40_000])
def test_a_jpeg_that_lacks_more_than_its_end_is_refused(attach, options, missing):
    assert problems(attach(without_end(**options)[:-missing])) == {"file": "invalid_image"}
