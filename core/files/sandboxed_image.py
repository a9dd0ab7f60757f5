"""Decode and encode one image in a process of its own. Started by core/files/images.py, never imported by it.

Images are decoded by C code with a history of security holes. The process has limits of its own for memory, time
and output, has no environment, and ends with the image.

It reads descriptor 0, writes the image and its thumbnail to the descriptors in the arguments, and prints their types or
the reason of a refusal as JSON.
"""

import io
import json
import os
import resource
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

from PIL import Image, ImageChops, ImageCms, ImageSequence, JpegImagePlugin, UnidentifiedImageError

MAX_PIXELS = 25_000_000  # decoded, of all frames together
MAX_JPEG_PIXELS = 100_000_000  # a JPEG is scaled down to MAX_PIXELS by the decoder
MAX_SIDE = 16_383  # the most WebP can hold
MAX_FRAMES = 500
THUMBNAIL = (320, 320)
MAX_OUTPUT = 64 * 1024 * 1024

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
ORIENTATION = 0x0112
TRANSPOSITIONS = dict(enumerate(map(Image.Transpose, (0, 3, 1, 5, 4, 6, 2)), start=2))  # by orientation
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
BLOCK_ROWS = 16  # pixels; the largest unit of a JPEG
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"})
MAX_PROFILE_BYTES = 1024 * 1024


class Refused(Exception):
    """A refusal with the code of its error. core/files/images.py makes the message, from `params`."""

    def __init__(self, code: str, **params: int) -> None:
        super().__init__(code)
        self.code, self.params = code, params


def limit(cpu_seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_OUTPUT, MAX_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def opened(content: bytes) -> Image.Image:
    """Return the image, checked by its header alone. Raises Refused."""
    Image.MAX_IMAGE_PIXELS = None  # Pillow's check does not name the limit
    check_webp(content[:30])
    if content.startswith(PNG_SIGNATURE):
        content = without_png_metadata(content)
    elif content.startswith(JPEG_START) and not content.endswith(JPEG_END):
        content = with_jpeg_end(content)
    try:
        image = Image.open(io.BytesIO(content), formats=tuple(TYPES))
    except UnidentifiedImageError:
        raise Refused("no_image") from None
    if image.format in {"JPEG", "MPO"}:
        scale_jpeg(image)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # a later frame may claim to be larger
    check_size(*image.size)
    return image


def check_size(width: int, height: int) -> None:
    """Raise Refused, naming the limit."""
    if width * height > MAX_PIXELS:
        raise Refused("too_many_pixels", max=MAX_PIXELS)
    if max(width, height) > MAX_SIDE:
        raise Refused("side_too_long", max=MAX_SIDE)


def check_webp(head: bytes) -> None:
    """Check the size of a WebP: opening one takes the memory of all its pixels already. Raises Refused."""
    kind, fields = head[8:16], int.from_bytes(head[20:30], "little")
    if kind == b"WEBPVP8X":
        check_size((fields >> 32 & 0xFFFFFF) + 1, (fields >> 56) + 1)
    elif kind == b"WEBPVP8L":
        check_size((fields >> 8 & 0x3FFF) + 1, (fields >> 22 & 0x3FFF) + 1)
    elif kind == b"WEBPVP8 ":
        check_size(fields >> 48 & 0x3FFF, fields >> 64 & 0x3FFF)


def scale_jpeg(image: Image.Image) -> None:
    """Let the decoder scale a large JPEG down, so that its full size is never in memory. Raises Refused."""
    width, height = image.size
    if width * height > MAX_JPEG_PIXELS:
        raise Refused("too_many_pixels", max=MAX_JPEG_PIXELS)
    for scale in (1, 2, 4, 8):  # which the decoder has
        size = (-(-width // scale), -(-height // scale))  # the decoder rounds up
        if size[0] * size[1] <= MAX_PIXELS and max(size) <= MAX_SIDE:
            image.draft(image.mode, (width // scale, height // scale))
            return


def with_jpeg_end(content: bytes) -> bytes:
    """Return a JPEG with its end marker, which some cameras leave out.

    The decoder silently fills missing data before the marker. Then other bytes there give other pixels; in a complete
    picture it skips them. Raises Refused where pixels differ above the last row of blocks.
    """
    images = []
    for filling in (b"", b"\x55\xaa" * 32):
        image = Image.open(io.BytesIO(content + filling + JPEG_END), formats=("JPEG",))
        scale_jpeg(image)
        images.append(image)
    difference = ImageChops.difference(*images).getbbox()
    if difference is not None and difference[1] < image.height - BLOCK_ROWS:
        raise Refused("invalid_image")
    return content + JPEG_END


def without_png_metadata(content: bytes) -> bytes:
    """Return a PNG without the chunks that would be dropped anyway, so that neither their size nor an error in them
    matters."""
    chunks, start = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while start < len(content) and chunks[-1][4:8] != b"IEND":
        end = start + 12 + int.from_bytes(content[start : start + 4], "big")
        chunk = content[start:end]
        kind, data, checksum = chunk[4:8], chunk[8:-4], int.from_bytes(chunk[-4:], "big")
        if kind in PNG_PIXELS or (zlib.crc32(chunk[4:-4]) == checksum and is_usable(kind, data)):
            chunks.append(chunk)
        start = end
    return b"".join(chunks)


def is_usable(kind: bytes, data: bytes) -> bool:
    """Return whether a chunk holds the orientation or the colours of the pixels."""
    if kind == b"iCCP":
        _name, _nul, rest = data.partition(b"\0")
        with suppress(zlib.error):
            profile = zlib.decompressobj().decompress(rest[1:], MAX_PROFILE_BYTES + 1)
            return rest[:1] == b"\0" and len(profile) <= MAX_PROFILE_BYTES
    return kind == b"eXIf"


def durations_of(image: Image.Image) -> list[int]:
    """Return the duration of each frame. `n_frames` would read all of them, however many. Raises Refused."""
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return [0]  # the further pictures of a MPO are previews and depths
    max_frames = min(MAX_FRAMES, MAX_PIXELS // (image.width * image.height))
    durations = []
    for frame in islice(ImageSequence.Iterator(image), max_frames + 1):
        if image.format == "WEBP":
            frame.load()  # which sets its duration
        durations.append(max(10, min(60_000, int(frame.info.get("duration") or 100))))
    if len(durations) > max_frames == MAX_FRAMES:
        raise Refused("too_many_frames", max=MAX_FRAMES)
    if len(durations) > max_frames:
        raise Refused("too_many_pixels", max=MAX_PIXELS)
    image.seek(0)
    return durations


def transposition_of(image: Image.Image) -> Image.Transpose | None:
    """Return what turns the image upright; None where its metadata cannot be read. Raises for pixels that cannot."""
    image.load()
    with suppress(Exception):
        return TRANSPOSITIONS.get(image.getexif()[ORIENTATION])
    return None


def upright_in_srgb(image: Image.Image, transposition: Any, profile: bytes | None) -> Image.Image:
    if transposition is not None:
        image = image.transpose(transposition)
    if profile and image.mode in {"RGB", "RGBA", "L", "CMYK"}:
        with suppress(Exception):  # a broken profile is ignored
            mode, srgb = "RGBA" if image.mode == "RGBA" else "RGB", ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, io.BytesIO(profile), srgb, outputMode=mode) or image
    return image


def clean_frames(image: Image.Image) -> Iterator[Image.Image]:
    transposition, profile = transposition_of(image), image.info.get("icc_profile")
    for frame in ImageSequence.Iterator(image):
        picture = upright_in_srgb(frame.convert("RGBA"), transposition, profile)
        picture.info = {}
        yield picture


def options_of(image: Image.Image, kind: str, content: bytes) -> dict[str, Any]:
    """Return the options that give the quality of the original."""
    if kind == "JPEG":
        sampling = JpegImagePlugin.get_sampling(image)
        return {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})  # type: ignore[attr-defined]
    if kind == "WEBP":
        return {"lossless": b"VP8L" in content[:4096], "quality": 90}
    return {}


def write_still(image: Image.Image, kind: str, options: dict[str, Any], output: Any) -> Image.Image:
    """Write the image upright, in sRGB, without EXIF, comment and profile, and return it."""
    info: Any = {name: image.info[name] for name in image.info.keys() & {"transparency", "background"}}
    picture = upright_in_srgb(image, transposition_of(image), image.info.get("icc_profile"))
    if picture.mode == "CMYK":
        picture = picture.convert("RGB")
    picture.info = info
    picture.save(output, kind, **options)
    return picture


def write_animation(image: Image.Image, kind: str, options: dict[str, Any], output: Any) -> Image.Image:
    loop = image.info.get("loop")
    options["save_all"] = True
    if kind == "GIF":
        options["disposal"] = 2
    if kind == "PNG" and image.info.get("default_image"):
        options["default_image"] = True  # for programs without animations; not a frame
        del options["duration"][0]
    frames = clean_frames(image)
    first = next(frames)
    # PNG goes through them twice, so all are in memory at once: no more than MAX_PIXELS together.
    options["append_images"] = list(frames) if kind == "PNG" else frames
    if loop is not None:
        options["loop"] = max(0, min(65_535, int(loop)))
    first.save(output, kind, **options)
    return first


def write_thumbnail(picture: Image.Image, output: Any) -> str:
    """Write a JPEG, or a PNG for a transparent picture, and return its type. It changes `picture`."""
    is_transparent = picture.has_transparency_data
    mode = "RGBA" if is_transparent else "L" if picture.mode in {"1", "L"} else "RGB"
    if picture.mode.startswith("I"):  # 16 bits, of which the upper half is shown
        picture = picture.convert("I").point(lambda value: value / 256).convert("L")
    elif picture.mode != mode:
        picture = picture.convert(mode)
    picture.thumbnail(THUMBNAIL)
    picture.info = {}
    kind = "PNG" if is_transparent else "JPEG"
    picture.save(output, kind, quality=85)
    return TYPES[kind]


def convert(content: bytes, image_out: Any, thumbnail_out: Any) -> dict[str, Any]:
    try:
        image = opened(content)
        kind = {"MPO": "JPEG"}.get(str(image.format), str(image.format))
        durations, options = durations_of(image), options_of(image, kind, content)
        if len(durations) > 1:
            picture = write_animation(image, kind, {**options, "duration": durations}, image_out)
        else:
            picture = write_still(image, kind, options, image_out)
        result = {"content_type": TYPES[kind], "width": picture.width, "height": picture.height}
        return {**result, "thumbnail_type": write_thumbnail(picture, thumbnail_out)}
    except (Refused, MemoryError):
        raise
    except Exception as error:
        if max(os.fstat(output.fileno()).st_size for output in (image_out, thumbnail_out)) >= MAX_OUTPUT:
            raise Refused("too_many_bytes", max=MAX_OUTPUT) from error
        raise Refused("invalid_image") from error


def main() -> None:
    memory = int(sys.argv[4])
    limit(int(sys.argv[3]), memory)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    outputs = [os.fdopen(int(number), "r+b") for number in sys.argv[1:3]]
    try:
        result = convert(sys.stdin.buffer.read(), *outputs)
        for output in outputs:
            output.flush()
    except Refused as refused:
        result = {"refused": refused.code, "params": refused.params}
    except MemoryError:
        result = {"refused": "too_much_memory", "params": {"max": memory}}
    os.write(1, json.dumps(result).encode())


if __name__ == "__main__":
    main()
