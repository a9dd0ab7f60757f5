"""Limits of pictures: pixels, frames, time, memory, and the slots of one user."""

import zlib
from contextlib import suppress

import pytest
from PIL import Image

from core.files import images
from core.tests import samples
from core.tests.answers import code, problems
from core.tests.samples import upload
from core.web.concurrency import ConcurrencyLimit
from core.web.errors import ApiError
from resources.tests.factories import ResourceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.mark.parametrize(
    ("content", "problem", "most"),
    [
        (samples.bomb(), "too_many_pixels", 25_000_000),
        (samples.webp_bomb(), "too_many_pixels", 25_000_000),
        (samples.film("GIF", frames=3, width=3000, height=3000), "too_many_pixels", 25_000_000),
        (samples.bomb(16_384, 4), "side_too_long", 16_383),
        (samples.film("GIF", frames=501, width=2, height=2), "too_many_frames", 500),
        (samples.film("PNG", frames=501, width=2, height=2), "too_many_frames", 500),
    ],
)
def test_a_refusal_names_its_limit(attach, content, problem, most):
    response = attach(content)

    assert problems(response) == {"file": problem}
    (detail,) = response.json()["error"]["details"]
    assert detail["params"] == {"max": most}
    assert f"{most}" in detail["message"]


def with_segments(photo, number):
    """Return a JPEG with so many segments of metadata, 64 KiB each."""
    segment = b"\xff\xe1" + (65_535).to_bytes(2, "big") + b"Exif\0\0" + bytes(65_527)
    return photo[:2] + segment * number + photo[2:]


@pytest.mark.parametrize(
    "content",
    [
        with_segments(samples.photo(), 150),
        samples.with_chunk(samples.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))),
        samples.with_chunk(samples.chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(100_000_000)))),
    ],
    ids=["10 MB of EXIF", "100 MB of compressed text", "100 MB of compressed profile"],
)
def test_metadata_of_any_size_is_dropped_or_refused(disk, attach, content):
    response = attach(content)

    if response.status_code == 201:
        assert all(path.stat().st_size < 100_000 for path in stored_paths(disk))
    else:
        assert code(response)[0] == 400


def stored_paths(disk):
    return [path for path in disk.folder.rglob("*") if path.is_file()]


def test_a_picture_over_the_limit_of_work_is_refused(attach, monkeypatch):
    monkeypatch.setattr(images, "CPU_SECONDS", 0)
    response = attach(samples.photo())

    assert problems(response) == {"file": "too_much_time"}
    assert response.json()["error"]["details"][0]["params"] == {"max": 0}


def test_a_file_that_is_too_large_is_refused_with_the_limit(attach, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    response = attach(samples.photo())

    assert code(response) == (413, "PAYLOAD_TOO_LARGE")
    assert "1000 bytes" in response.json()["error"]["message"]


def phone_photo(**options):
    """Return a JPEG of 48 million pixels."""
    gradient = Image.linear_gradient("L").resize((8000, 6000))
    return samples.encoded(
        Image.merge("RGB", (gradient,) * 3), "JPEG", quality=60, exif=samples.exif(6), **options
    )


@pytest.mark.parametrize("options", [{}, {"progressive": True, "subsampling": 0}])
def test_a_large_photo_of_a_phone_is_scaled_down(reencoded, options):
    picture, thumbnail = reencoded(phone_photo(**options))

    assert (picture.size, thumbnail.size) == ((3000, 4000), (240, 320))


def test_a_jpeg_may_have_at_most_100_million_pixels(attach):
    large = Image.new("L", (11_000, 10_000))
    response = attach(samples.encoded(large, "JPEG"))

    assert problems(response) == {"file": "too_many_pixels"}
    assert response.json()["error"]["details"][0]["params"] == {"max": 100_000_000}


def test_decoding_a_large_photo_takes_less_memory_than_its_pixels(attach, monkeypatch):
    monkeypatch.setattr(images, "MEMORY_BYTES", 180 * 1024 * 1024)  # 48 million pixels of 4 bytes are 183 MiB

    assert attach(phone_photo()).status_code == 201


# --- fairness -------------------------------------------------------------------------------------


@pytest.fixture
def storm(owner):
    """Fill all slots and waiting places that one user, the owner, may have."""
    places = []
    with suppress(ApiError):
        while True:
            places.append(images.limit.enter(owner.user.pk))
    yield places
    for place in places:
        images.limit.leave(owner.user.pk, place)


def test_the_pictures_of_one_user_do_not_delay_another_user(attach, disk, storm, stranger):
    path = f"/api/v1/resources/{ResourceFactory(user=stranger.user).pk}/attachments"
    theirs = stranger.post(path, upload(samples.png(8, 8), "a.png"), format="multipart")
    own = attach(samples.png(8, 8))

    assert any(place.is_set() for place in storm)
    assert theirs.status_code == 201
    assert (code(own), own["Retry-After"]) == ((503, "SERVICE_UNAVAILABLE"), "2")


def test_the_limit_counts_the_user_who_sends_the_picture(disk, storm, owner, admin):
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"

    assert admin.post(path, upload(samples.png(8, 8), "a.png"), format="multipart").status_code == 201


@pytest.mark.parametrize(("processes", "threads"), [(1, 20), (64, 20), (64, 4), (1, 0)])
def test_every_process_reserves_a_slot(settings, processes, threads):
    settings.WEB_CONCURRENCY, settings.WEB_THREADS = processes, threads
    limit = images.limit_for_this_process()
    with suppress(ApiError):
        for _ in range(100):
            limit.enter("one user")

    assert limit.enter("another").is_set()


@pytest.fixture
def large_ones(monkeypatch):
    """Fill the slots for very large pictures with those of three other users."""
    large = ConcurrencyLimit(slots=2, waiting=4, timeout=0.01)
    monkeypatch.setattr(images, "large_limit", large)
    places = [(user, large.enter(user)) for user in ("first", "second", "third")]
    yield large
    for user, place in places:
        large.leave(user, place)


def test_very_large_pictures_of_others_do_not_delay_quick_ones(attach, large_ones, monkeypatch):
    assert attach(samples.photo()).status_code == 201

    monkeypatch.setattr(images, "QUICK_CPU_SECONDS", 0)  # as if it were a large one too
    assert code(attach(samples.photo())) == (503, "SERVICE_UNAVAILABLE")


def test_a_slow_picture_starts_over_under_the_second_limit(reencoded, monkeypatch):
    monkeypatch.setattr(images, "QUICK_CPU_SECONDS", 0)
    picture, thumbnail = reencoded(samples.photo())

    assert (picture.size, thumbnail.size) == ((800, 600), (320, 240))
    with images.large_limit.slot(), images.limit.slot():  # given back
        pass
