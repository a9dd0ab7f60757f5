"""Decode and re-encode one image, in a process of its own. Started by core/files/images.py, never imported by it.

Images are decoded by C code with a history of security holes. The process has limits of its own for memory, time
and output, has no environment, and ends with the image.

Input is descriptor 0. The image and its thumbnail are written to the descriptors in the arguments; their types, or
the reason of a refusal, to descriptor 1 as JSON.
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
from typing import Any

from PIL import Image, ImageCms, ImageSequence, JpegImagePlugin, UnidentifiedImageError

MAX_PIXELS = 25_000_000  # decoded, of all frames together
MAX_JPEG_PIXELS = 100_000_000  # a JPEG is scaled down to MAX_PIXELS by the decoder
MAX_SIDE = 16_383  # the most WebP can hold
MAX_FRAMES = 500
THUMBNAIL = (320, 320)
LARGEST_OUTPUT = 64 * 1024 * 1024
NO_IMAGE = "no_image"

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
PLAIN = {"1": "L", "L": "L", "I;16": "L", "I": "L", "F": "L"}  # modes without colours; the others become RGB
ORIENTATION = 0x0112
T = Image.Transpose
TRANSPOSITIONS = (  # by the number of the orientation
    *(None, None, T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM),
    *(T.TRANSPOSE, T.ROTATE_270, T.TRANSVERSE, T.ROTATE_90),
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"})
MAX_PROFILE_BYTES = 1024 * 1024


class Refused(Exception):
    """`code` is for the client's program. core/files/images.py makes the message, from `params`."""

    def __init__(self, code: str, **params: int) -> None:
        super().__init__(code)
        self.code, self.params = code, params


def limit(cpu_seconds: int, memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_OUTPUT, LARGEST_OUTPUT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def opened(source: Any) -> Image.Image:
    """Return the image, checked by its header alone. Raises Refused."""
    Image.MAX_IMAGE_PIXELS = None  # Pillow's check does not say which limit it was
    check_webp(source)
    try:
        image = Image.open(without_png_metadata(source), formats=tuple(TYPES))
    except Exception as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise Refused(NO_IMAGE if unknown else "invalid_image") from error
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


def check_webp(source: Any) -> None:
    """Check the size of a WebP: opening one takes the memory of all its pixels already. Raises Refused."""
    head = source.read(30)
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
    for scale in (1, 2, 4, 8):  # what the decoder offers
        size = (-(-width // scale), -(-height // scale))  # the decoder rounds up
        if size[0] * size[1] <= MAX_PIXELS and max(size) <= MAX_SIDE:
            image.draft(image.mode, (width // scale, height // scale))
            return


def without_png_metadata(source: Any) -> Any:
    """Return a PNG without the chunks that would be dropped anyway, so that neither their size nor an error in them
    matters. What is no PNG is returned as it is."""
    source.seek(0)
    if source.read(8) != PNG_SIGNATURE:
        source.seek(0)
        return source
    kept = io.BytesIO(PNG_SIGNATURE)
    kept.seek(8)
    while len(head := source.read(8)) == 8:
        kind = head[4:]
        length = min(int.from_bytes(head[:4], "big"), LARGEST_OUTPUT)  # what it says may be nonsense
        content, checksum = source.read(length), source.read(4)
        is_whole = zlib.crc32(kind + content) == int.from_bytes(checksum, "big")
        if kind in PNG_PIXELS or (is_whole and is_usable(kind, content)):
            kept.write(head + content + checksum)
        if kind == b"IEND":
            break
    kept.seek(0)
    return kept


def is_usable(kind: bytes, content: bytes) -> bool:
    """Whether a chunk says how the pixels are to be shown: their orientation, or their colours."""
    if kind == b"iCCP":
        _name, _nul, rest = content.partition(b"\0")
        with suppress(zlib.error):
            profile = zlib.decompressobj().decompress(rest[1:], MAX_PROFILE_BYTES + 1)
            return rest[:1] == b"\0" and len(profile) <= MAX_PROFILE_BYTES
    return kind == b"eXIf"


def frames_of(image: Image.Image) -> int:
    """Counted one after the other, as far as they may go: asking for `n_frames` reads them all. Raises Refused."""
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return 1  # the further pictures of a MPO are previews and depths, not a film
    most = min(MAX_FRAMES, MAX_PIXELS // (image.width * image.height))
    try:
        for number in range(most + 1):
            image.seek(number)
    except EOFError:
        image.seek(0)
        return number
    if most == MAX_FRAMES:
        raise Refused("too_many_frames", max=MAX_FRAMES)
    raise Refused("too_many_pixels", max=MAX_PIXELS)


def transposition_of(image: Image.Image) -> Image.Transpose | None:
    """What turns it upright. Metadata that cannot be read say nothing; pixels that cannot raise an error."""
    image.load()
    with suppress(Exception):
        return TRANSPOSITIONS[image.getexif()[ORIENTATION]]
    return None


def upright(image: Image.Image, transposition: Image.Transpose | None) -> Image.Image:
    return image if transposition is None else image.transpose(transposition)


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode in {"RGB", "RGBA", "L", "CMYK"}:
        with suppress(Exception):  # a broken profile is as good as none
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            mode = "RGBA" if image.mode == "RGBA" else "RGB"
            srgb = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, source, srgb, outputMode=mode) or image
    return image


def clean(image: Image.Image) -> Image.Image:
    """Upright, in sRGB, and with nothing but what its pixels need: no EXIF, no comment, no profile."""
    kept: dict[Any, Any] = {
        name: image.info[name] for name in ("transparency", "background") if name in image.info
    }
    profile = image.info.get("icc_profile")
    image = in_srgb(upright(image, transposition_of(image)), profile)
    if image.mode in {"CMYK", "YCbCr", "LAB", "HSV"}:
        image = image.convert("RGB")
    image.info = kept
    return image


def clean_frames(image: Image.Image) -> Iterator[Image.Image]:
    transposition, profile = transposition_of(image), image.info.get("icc_profile")
    for frame in ImageSequence.Iterator(image):
        picture = in_srgb(upright(frame.convert("RGBA"), transposition), profile)
        picture.info = {}
        yield picture


def options_of(image: Image.Image, kind: str, source: Any) -> dict[str, Any]:
    """How it was encoded, so that it is as fine as it was."""
    if kind == "JPEG":  # its tables say how much it was compressed
        sampling = JpegImagePlugin.get_sampling(image)
        return {"qtables": image.quantization} | ({"subsampling": sampling} if sampling >= 0 else {})  # type: ignore[attr-defined]
    if kind == "WEBP":
        source.seek(0)
        lossless = b"VP8L" in source.read(4096)
        source.seek(0)
        return {"lossless": lossless, "quality": 90}
    return {}


def write_still(image: Image.Image, kind: str, options: dict[str, Any], output: Any) -> Image.Image:
    picture = clean(image)
    if kind == "JPEG" and picture.mode not in {"L", "RGB"}:
        picture = picture.convert("RGB")
    picture.save(output, kind, **options)
    return picture


def write_film(image: Image.Image, kind: str, options: dict[str, Any], output: Any) -> Image.Image:
    durations, loop = [], image.info.get("loop")
    for frame in ImageSequence.Iterator(image):
        if kind == "WEBP":
            frame.load()  # it does not know its duration before
        durations.append(max(10, min(60_000, int(frame.info.get("duration") or 100))))
    image.seek(0)
    options |= {"save_all": True, "duration": durations}
    if kind == "GIF":
        options["disposal"] = 2
    if kind == "PNG" and image.info.get("default_image"):
        options["default_image"] = True  # shown where animations are not; no frame
        del durations[0]
    frames = clean_frames(image)
    first = next(frames)
    # PNG goes through them twice, so all are in memory at once: no more than MAX_PIXELS together.
    options["append_images"] = list(frames) if kind == "PNG" else frames
    if loop is not None:
        options["loop"] = max(0, min(65_535, int(loop)))
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
        write = write_film if frames > 1 else write_still
        picture = write(image, kind, options_of(image, kind, source), image_out)
        size = picture.size
        thumbnail_type = write_thumbnail(picture, thumbnail_out)
    except (Refused, MemoryError):
        raise
    except Exception as error:
        if max(os.fstat(output.fileno()).st_size for output in (image_out, thumbnail_out)) >= LARGEST_OUTPUT:
            raise Refused("too_many_bytes", max=LARGEST_OUTPUT) from error
        raise Refused("invalid_image") from error
    sides = {"width": size[0], "height": size[1]}
    return {"content_type": TYPES[kind], **sides, "thumbnail_type": thumbnail_type}


def main() -> None:
    cpu_seconds, memory = map(int, sys.argv[3:5])
    limit(cpu_seconds, memory)
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    image_out, thumbnail_out = (os.fdopen(int(number), "r+b") for number in sys.argv[1:3])
    try:
        result = convert(sys.stdin.buffer, image_out, thumbnail_out)
        image_out.flush()
        thumbnail_out.flush()
    except Refused as refused:
        result = {"refused": refused.code, "params": refused.params}
    except MemoryError:
        result = {"refused": "too_much_memory", "params": {"max": memory}}
    os.write(1, json.dumps(result).encode())


if __name__ == "__main__":
    main()
