"""Files to send: honest ones, and others."""

import io
import struct
import zlib

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, PngImagePlugin

PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"
SECRET = "taken at home"


def encoded(image, kind, **options):
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


def photo(width=800, height=600, orientation=1):
    """Return a JPEG with the place of the photo in its metadata. Its left half is red."""
    image = Image.new("RGB", (width, height), "blue")
    image.paste("red", (0, 0, width // 2, height))
    metadata = exif(orientation)
    metadata.get_ifd(0x8825)[1] = "N"
    return encoded(image, "JPEG", exif=metadata, comment=SECRET.encode())


def exif(orientation):
    metadata = Image.Exif()
    metadata[0x0112], metadata[0x010E] = orientation, SECRET
    return metadata


def png(width=40, height=30, mode="RGBA"):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET)
    return encoded(Image.new(mode, (width, height)), "PNG", pnginfo=info)


def webp(**options):
    return encoded(Image.new("RGB", (40, 30), "green"), "WEBP", **options)


def gif(frames=1, width=40, height=30):
    """Return an animation. Each frame differs from the one before, else they would become one."""
    pictures = [Image.new("L", (width, height), number % 251) for number in range(frames)]
    film = {"save_all": True, "append_images": pictures[1:], "duration": 70, "loop": 3, "optimize": False}
    return encoded(pictures[0], "GIF", comment=SECRET.encode(), **(film if frames > 1 else {}))


def film(kind, frames=4, width=40, height=30, **options):
    """Return an animation whose frames have each their own colour; the first is red."""
    colours = ("red", "green", "blue", "yellow", "white", "black")
    pictures = [Image.new("RGBA", (width, height), colours[number % 6]) for number in range(frames)]
    options = {"duration": 70, "loop": 3, **options}
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], **options)


def chunk(kind, content, damage=0):
    """Return a chunk of a PNG; `damage` makes its checksum wrong."""
    data = kind + content
    return struct.pack(">I", len(content)) + data + struct.pack(">I", zlib.crc32(data) ^ damage)


def with_chunk(inserted, image=None):
    """Return a PNG with one chunk more, behind its header."""
    image = image or encoded(Image.new("RGB", (40, 30), "red"), "PNG")
    return image[:33] + inserted + image[33:]


def bomb(width=50_000, height=50_000):
    """Return a PNG of a few kilobytes whose header declares this many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def webp_bomb(width=16_000, height=16_000):
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    content = b"WEBPVP8X" + struct.pack("<II", 10, 0) + sides + b"VP8L" + bytes(8)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def upload(content, name="file.bin", content_type="application/octet-stream"):
    return {"file": SimpleUploadedFile(name, content, content_type=content_type)}


def opened(content):
    """Decode the image in these bytes."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image
