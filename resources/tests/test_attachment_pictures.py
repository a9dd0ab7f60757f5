"""Pictures: what is taken, how it is made anew, and which limit refuses it."""

import zlib
from contextlib import suppress

import pytest
from PIL import Image, ImageCms

from core.files import images
from core.tests import samples
from core.tests.answers import code, problems
from core.tests.samples import SECRET, upload
from core.web.concurrency import ConcurrencyLimit
from core.web.errors import ApiError
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def attach(disk, owner):
    """Send these bytes."""
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"

    def send(content):
        return owner.post(path, upload(content, "picture"), format="multipart")

    return send


@pytest.fixture
def stored(disk, attach):
    """(picture, thumbnail) as they are stored, after these bytes were sent."""

    def send(content):
        answer = attach(content)
        assert answer.status_code == 201, answer.content
        data = answer.json()["data"]
        return tuple(samples.opened(disk.fetch(data[name])[2]) for name in ("url", "thumbnailUrl"))

    return send


def colours(film):
    """The pixel at the corner of each frame."""
    found = []
    for number in range(film.n_frames):
        film.seek(number)
        found.append(film.convert("RGB").getpixel((1, 1)))
    return found


def durations_of(film):
    found = []
    for number in range(film.n_frames):
        film.seek(number)
        film.load()
        found.append(film.info.get("duration"))
    return found


def exif(orientation):
    values = Image.Exif()
    values[0x0112], values[0x010E] = orientation, SECRET
    return values


# --- animations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("PNG", {"default_image": True}), ("WEBP", {"lossless": True}), ("GIF", {})],
)
def test_an_animation_keeps_its_frames(stored, kind, options):
    film, thumbnail = stored(samples.film(kind, **options))

    assert (film.format, film.n_frames, film.info["loop"]) == (kind, 4, 3)
    assert colours(film) == [(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 0)]
    assert film.info["duration"] == 70
    assert thumbnail.convert("RGB").getpixel((1, 1)) == (255, 0, 0)


def test_an_animation_loses_its_metadata_and_is_turned_upright(disk, attach):
    content = samples.film("WEBP", width=80, height=60, exif=exif(6))
    data = attach(content).json()["data"]
    film = disk.fetch(data["url"])[2]

    assert SECRET.encode() in content
    assert SECRET.encode() not in film
    assert (data["width"], data["height"], samples.opened(film).size) == (60, 80, (60, 80))


@pytest.mark.parametrize("durations", [[100, 200, 300], [250]])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_each_frame_keeps_its_duration(stored, kind, durations):
    with_default = kind == "PNG"
    options = {"default_image": True} if with_default else {}
    durations = durations if with_default else [*durations, 400]
    film, _thumbnail = stored(
        samples.film(kind, len(durations) + with_default, duration=durations, **options)
    )

    assert durations_of(film)[with_default:] == durations


# --- what is dropped anyway -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunk",
    [
        samples.chunk(b"tEXt", b"Comment\0" + b"a" * 1_100_000),
        samples.chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 80_000_000)),
        samples.chunk(b"tEXt", b"Comment\0a", damage=1),
        samples.chunk(b"tIME", b"too short", damage=1),
        samples.chunk(b"eXIf", b"MM\0*", damage=1),
        samples.chunk(b"eXIf", b"rubbish"),
        samples.chunk(b"iCCP", b"rubbish"),
        samples.chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(2_000_000))),
        samples.chunk(b"pHYs", b"x"),
    ],
    ids=lambda chunk: f"{chunk[4:8].decode()}-{len(chunk)}",
)
def test_an_error_in_what_is_dropped_does_not_matter(stored, chunk):
    picture, _thumbnail = stored(samples.with_chunk(chunk))

    assert (picture.size, picture.getpixel((1, 1))) == ((40, 30), (255, 0, 0))
    assert picture.info == {}


def test_an_error_in_the_pixels_does(attach):
    damaged = samples.with_chunk(samples.chunk(b"IDAT", b"rubbish", damage=1))

    assert problems(attach(damaged)) == {"file": "invalid_image"}


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_broken_exif_is_no_reason_to_refuse_a_picture(stored, kind):
    broken = samples.encoded(
        Image.new("RGB", (40, 30), "red"), kind, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01"
    )

    assert stored(broken)[0].size == (40, 30)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_upright(stored, kind, orientation):
    """Sent as a camera would store it, so that it must come out as it was."""
    upright = Image.new("RGB", (80, 60), "blue")
    upright.paste("red", (0, 0, 40, 30))
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    sent = upright if undo is None else upright.transpose(Image.Transpose(undo))
    picture, thumbnail = stored(samples.encoded(sent, kind, exif=exif(orientation)))

    for image in (picture, thumbnail):
        assert image.size == (80, 60)
        corners = [image.convert("RGB").getpixel(place) for place in ((10, 10), (70, 10), (10, 50), (70, 50))]
        assert [max(range(3), key=corner.__getitem__) for corner in corners] == [0, 2, 2, 2]


def test_a_profile_is_applied_before_it_is_dropped(stored):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    with_profile = samples.encoded(Image.new("RGB", (40, 30), "red"), "PNG", icc_profile=profile)

    assert "icc_profile" not in stored(with_profile)[0].info


# --- limits ---------------------------------------------------------------------------------------


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
    answer = attach(content)

    assert problems(answer) == {"file": problem}
    (detail,) = answer.json()["error"]["details"]
    assert detail["params"] == {"max": most}
    assert f"{most}" in detail["message"]


def test_a_picture_that_takes_too_much_work_is_told_how_much(attach, monkeypatch):
    monkeypatch.setattr(images, "CPU_SECONDS", 0)
    answer = attach(samples.photo())

    assert problems(answer) == {"file": "too_much_time"}
    assert answer.json()["error"]["details"][0]["params"] == {"max": 0}


def test_a_file_that_is_too_large_is_told_the_limit(attach, settings):
    settings.MAX_UPLOAD_BYTES = 1000
    answer = attach(samples.photo())

    assert code(answer) == (413, "PAYLOAD_TOO_LARGE")
    assert "1000 bytes" in answer.json()["error"]["message"]


def phone_photo(**options):
    """48 million pixels."""
    gradient = Image.linear_gradient("L").resize((8000, 6000))
    return samples.encoded(Image.merge("RGB", (gradient,) * 3), "JPEG", quality=60, exif=exif(6), **options)


@pytest.mark.parametrize("options", [{}, {"progressive": True, "subsampling": 0}])
def test_a_large_photo_of_a_phone_is_scaled_down(stored, options):
    picture, thumbnail = stored(phone_photo(**options))

    assert (picture.size, thumbnail.size) == ((3000, 4000), (240, 320))


def test_only_a_jpeg_may_be_larger_than_what_is_kept(attach):
    large = Image.new("L", (11_000, 10_000))
    answer = attach(samples.encoded(large, "JPEG"))

    assert problems(answer) == {"file": "too_many_pixels"}
    assert answer.json()["error"]["details"][0]["params"] == {"max": 100_000_000}


def test_decoding_a_large_photo_takes_less_memory_than_its_pixels(attach, monkeypatch):
    monkeypatch.setattr(images, "MEMORY_BYTES", 180 * 1024 * 1024)  # 48 million pixels of 4 bytes are 183 MiB

    assert attach(phone_photo()).status_code == 201


# --- fairness -------------------------------------------------------------------------------------


@pytest.fixture
def storm(owner):
    """The owner has as many pictures under way and waiting as one user may."""
    places = []
    with suppress(ApiError):
        while True:
            places.append(images.limit.enter(owner.user.pk))
    yield places
    for place in places:
        images.limit.leave(owner.user.pk, place)


def test_one_users_pictures_do_not_keep_a_neighbour_waiting(attach, disk, storm, stranger):
    path = f"/api/v1/resources/{ResourceFactory(user=stranger.user).pk}/attachments"
    theirs = stranger.post(path, upload(samples.png(8, 8), "a.png"), format="multipart")
    own = attach(samples.png(8, 8))

    assert any(place.is_set() for place in storm)
    assert theirs.status_code == 201
    assert (code(own), own["Retry-After"]) == ((503, "SERVICE_UNAVAILABLE"), "2")


def test_it_is_who_sends_a_picture_that_counts(disk, storm, owner, admin):
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"

    assert admin.post(path, upload(samples.png(8, 8), "a.png"), format="multipart").status_code == 201


@pytest.mark.parametrize(("processes", "threads"), [(1, 20), (64, 20), (64, 4), (1, 0)])
def test_every_process_holds_a_slot_back(settings, processes, threads):
    settings.WEB_CONCURRENCY, settings.WEB_THREADS = processes, threads
    gate = images.limit_for_this_process()
    with suppress(ApiError):
        for _ in range(100):
            gate.enter("one user")

    assert gate.enter("another").is_set()


@pytest.fixture
def large_ones(monkeypatch):
    """Three other users have very large pictures: all slots for these are taken."""
    large = ConcurrencyLimit(slots=2, waiting=4, timeout=0.01)
    monkeypatch.setattr(images, "large_limit", large)
    places = [(user, large.enter(user)) for user in ("first", "second", "third")]
    yield large
    for user, place in places:
        large.leave(user, place)


def test_very_large_pictures_of_others_do_not_keep_anybody_waiting(attach, large_ones, monkeypatch):
    assert attach(samples.photo()).status_code == 201

    monkeypatch.setattr(images, "QUICK_CPU_SECONDS", 0)  # as if it were a large one too
    assert code(attach(samples.photo())) == (503, "SERVICE_UNAVAILABLE")


def test_a_picture_that_is_not_quick_begins_again_and_succeeds(stored, monkeypatch):
    monkeypatch.setattr(images, "QUICK_CPU_SECONDS", 0)
    picture, thumbnail = stored(samples.photo())

    assert (picture.size, thumbnail.size) == ((800, 600), (320, 240))
    with images.large_limit.slot(), images.limit.slot():  # given back
        pass
