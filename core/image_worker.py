"""Decodes and re-encodes one image, in a process of its own. Started by core/images.py, never imported by it.

What a stranger sends is decoded by C code with a history of holes and bombs. Here it can neither take the memory of
the server, nor its time, nor read what is in it: the process has limits of its own, and ends with the image.

Input on descriptor 0; the image and its thumbnail are written to the descriptors named in the arguments, and what
they are, or why there are none, to descriptor 1 as JSON.
"""

import io
import json
import os
import resource
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence, JpegImagePlugin, UnidentifiedImageError

MAX_PIXELS = 25_000_000  # of all frames together
MAX_SIDE = 16_383  # the most WebP can hold
MAX_FRAMES = 500
THUMBNAIL = (320, 320)
MEMORY = 1024 * 1024 * 1024  # address space: what is used stays far below
CPU_SECONDS = 15
LARGEST_OUTPUT = 64 * 1024 * 1024
NO_IMAGE = "no_image"

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
PLAIN = {
    "1": "L",
    "L": "L",
    "P": "RGB",
    "RGB": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "I;16": "L",
    "I": "L",
    "F": "L",
}


class Refused(Exception):
    """`code` is for the client's program, the message for its user."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_OUTPUT, LARGEST_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def opened(source: Any) -> Image.Image:
    """Checked by its header alone. Raises Refused."""
    try:
        image = Image.open(source, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise Refused("too_many_pixels", f"At most {MAX_PIXELS // 1_000_000} million pixels.") from error
    except UnidentifiedImageError as error:
        raise Refused(NO_IMAGE, "This is not an image.") from error
    except Exception as error:
        raise Refused("invalid_image", "This image cannot be read.") from error
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise Refused("too_many_pixels", f"At most {MAX_PIXELS // 1_000_000} million pixels.")
    return image


def frames_of(image: Image.Image) -> int:
    """Counted one after the other, as far as they may go: asking for `n_frames` reads them all."""
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return 1  # the further pictures of a MPO are previews and depths, not a film
    most = min(MAX_FRAMES, MAX_PIXELS // (image.width * image.height))
    try:
        for number in range(most + 1):
            image.seek(number)
    except EOFError:
        image.seek(0)
        return number
    raise Refused(
        "too_many_frames", f"At most {MAX_FRAMES} frames of {MAX_PIXELS // 1_000_000} million pixels."
    )


def clean(image: Image.Image) -> Image.Image:
    """Upright, in sRGB, and with nothing but what its pixels need: no EXIF, no comment, no profile."""
    kept: dict[Any, Any] = {
        name: image.info[name] for name in ("transparency", "background") if name in image.info
    }
    profile = image.info.get("icc_profile")
    ImageOps.exif_transpose(image, in_place=True)
    if profile and image.mode in {"RGB", "RGBA", "L", "CMYK"}:
        with suppress(Exception):  # a broken profile is as good as none
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            image = (
                ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
                or image
            )
    if image.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
        image = image.convert("RGB")
    image.info = kept
    return image


def clean_frames(image: Image.Image) -> Iterator[Image.Image]:
    for frame in ImageSequence.Iterator(image):
        picture = frame.convert("RGBA")
        picture.info = {}
        yield picture


def write_still(
    image: Image.Image, kind: str, lossless: bool, tables: dict[str, Any], output: Any
) -> Image.Image:
    picture = clean(image)
    if kind == "JPEG":
        if picture.mode not in {"L", "RGB"}:
            picture = picture.convert("RGB")
        picture.save(output, "JPEG", **tables)
    elif kind == "WEBP":
        picture.save(output, "WEBP", lossless=lossless, quality=90)
    else:
        picture.save(output, kind)
    return picture


def write_film(image: Image.Image, kind: str, lossless: bool, output: Any) -> Image.Image:
    durations, loop = [], image.info.get("loop")
    for frame in ImageSequence.Iterator(image):
        durations.append(max(10, min(60_000, int(frame.info.get("duration") or 100))))
    image.seek(0)
    frames = clean_frames(image)
    first = next(frames)
    options: dict[str, Any] = {"save_all": True, "append_images": frames, "duration": durations}
    if loop is not None:
        options["loop"] = max(0, min(65_535, int(loop)))
    if kind == "WEBP":
        options |= {"lossless": lossless, "quality": 90}
    if kind == "GIF":
        options |= {"disposal": 2}
    first.save(output, kind, **options)
    return first


def write_thumbnail(picture: Image.Image, output: Any) -> str:
    """JPEG, or PNG where something shines through. It uses `picture` up."""
    shines = "transparency" in picture.info or picture.mode in {"RGBA", "LA", "PA", "RGBa", "La"}
    wanted = "RGBA" if shines else PLAIN.get(picture.mode, "RGB")
    small = picture
    if small.mode.startswith("I"):  # 16 bits: shown by their upper half
        small = small.convert("I").point(lambda value: value / 256).convert("L")
    elif small.mode != wanted:
        small = small.convert(wanted)
    small.thumbnail(THUMBNAIL)
    small.info = {}
    kind = "PNG" if shines else "JPEG"
    small.save(output, kind, **({} if shines else {"quality": 85}))
    return TYPES[kind]


def convert(source: Any, image_out: Any, thumbnail_out: Any) -> dict[str, Any]:
    image = opened(source)
    kind = {"MPO": "JPEG"}.get(str(image.format), str(image.format))
    try:
        frames = frames_of(image)
        # As fine as it was: the tables of a JPEG say how much it had been pressed.
        tables: dict[str, Any] = {}
        if kind == "JPEG":
            sampling = JpegImagePlugin.get_sampling(image)
            tables = {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})  # type: ignore[attr-defined]
        source.seek(0)
        lossless = b"VP8L" in source.read(4096)
        source.seek(0)
        if frames > 1:
            picture = write_film(image, kind, lossless, image_out)
        else:
            picture = write_still(image, kind, lossless, tables, image_out)
        size = picture.size
        thumbnail_type = write_thumbnail(picture, thumbnail_out)
    except Refused:
        raise
    except Exception as error:
        raise Refused("invalid_image", "This image cannot be read.") from error
    return {
        "content_type": TYPES[kind],
        "width": size[0],
        "height": size[1],
        "thumbnail_type": thumbnail_type,
    }


def main() -> None:
    limit()
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    image_out, thumbnail_out = (os.fdopen(int(number), "r+b") for number in sys.argv[1:3])
    try:
        result = convert(sys.stdin.buffer, image_out, thumbnail_out)
        image_out.flush()
        thumbnail_out.flush()
    except Refused as refused:
        result = {"refused": refused.code, "message": str(refused)}
    except MemoryError:
        result = {"refused": "invalid_image", "message": "This image takes too much memory."}
    os.write(1, json.dumps(result).encode())


if __name__ == "__main__":
    main()
