"""Pictures encoded again: animations, metadata, orientation, colour profiles."""

import zlib

import pytest
from PIL import Image, ImageCms, ImageSequence

from core.tests import samples
from core.tests.answers import problems
from core.tests.samples import SECRET

pytestmark = [pytest.mark.django_db, pytest.mark.once]


def colours(film):
    """Return the pixel at the corner of each frame."""
    return [frame.convert("RGB").getpixel((1, 1)) for frame in ImageSequence.Iterator(film)]


def durations_of(film):
    durations = []
    for frame in ImageSequence.Iterator(film):
        frame.load()
        durations.append(frame.info.get("duration"))
    return durations


# --- animations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("PNG", {"default_image": True}), ("WEBP", {"lossless": True}), ("GIF", {})],
)
def test_an_animation_keeps_its_frames(reencoded, kind, options):
    film, thumbnail = reencoded(samples.film(kind, **options))

    assert (film.format, film.n_frames, film.info["loop"]) == (kind, 4, 3)
    assert colours(film) == [(255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 0)]
    assert film.info["duration"] == 70
    assert thumbnail.convert("RGB").getpixel((1, 1)) == (255, 0, 0)


def test_an_animation_loses_its_metadata_and_is_turned_upright(disk, attach):
    content = samples.film("WEBP", width=80, height=60, exif=samples.exif(6))
    data = attach(content).json()["data"]
    film = disk.fetch(data["url"])[2]

    assert SECRET.encode() in content
    assert SECRET.encode() not in film
    assert (data["width"], data["height"], samples.opened(film).size) == (60, 80, (60, 80))


@pytest.mark.parametrize("durations", [[100, 200, 300], [250]])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_each_frame_keeps_its_duration(reencoded, kind, durations):
    with_default = kind == "PNG"
    options = {"default_image": True} if with_default else {}
    durations = durations if with_default else [*durations, 400]
    film, _thumbnail = reencoded(
        samples.film(kind, len(durations) + with_default, duration=durations, **options)
    )

    assert durations_of(film)[with_default:] == durations


# --- metadata -------------------------------------------------------------------------------------


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
def test_an_error_in_dropped_metadata_does_not_matter(reencoded, chunk):
    picture, _thumbnail = reencoded(samples.with_chunk(chunk))

    assert (picture.size, picture.getpixel((1, 1))) == ((40, 30), (255, 0, 0))
    assert picture.info == {}


def test_an_error_in_the_pixels_is_refused(attach):
    damaged = samples.with_chunk(samples.chunk(b"IDAT", b"rubbish", damage=1))

    assert problems(attach(damaged)) == {"file": "invalid_image"}


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_a_picture_with_broken_exif_is_accepted(reencoded, kind):
    broken = samples.encoded(
        Image.new("RGB", (40, 30), "red"), kind, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01"
    )

    assert reencoded(broken)[0].size == (40, 30)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_upright(reencoded, kind, orientation):
    """Send the picture as a camera would store it: it is stored upright."""
    upright = Image.new("RGB", (80, 60), "blue")
    upright.paste("red", (0, 0, 40, 30))
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    sent = upright if undo is None else upright.transpose(Image.Transpose(undo))
    picture, thumbnail = reencoded(samples.encoded(sent, kind, exif=samples.exif(orientation)))

    for image in (picture, thumbnail):
        assert image.size == (80, 60)
        corners = [image.convert("RGB").getpixel(place) for place in ((10, 10), (70, 10), (10, 50), (70, 50))]
        assert [max(range(3), key=corner.__getitem__) for corner in corners] == [0, 2, 2, 2]


def test_a_profile_is_applied_before_it_is_dropped(reencoded):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    with_profile = samples.encoded(Image.new("RGB", (40, 30), "red"), "PNG", icc_profile=profile)

    assert "icc_profile" not in reencoded(with_profile)[0].info
