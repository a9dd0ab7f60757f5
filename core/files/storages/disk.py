"""Files on the local disk, and the signed addresses of core/files/views.py."""

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.files.storage import FileSystemStorage

from core.files.models import FOLDERS, HEX, StoredFile

PATH = "/api/v1/files"
SIGNER = signing.Signer(sep=".", salt="core.files")


class DiskStorage(FileSystemStorage):
    """Under MEDIA_ROOT. What `save` has returned from is on the disk, even if the machine loses power."""

    def __init__(self, location: str) -> None:
        super().__init__(location=location, file_permissions_mode=0o600, directory_permissions_mode=0o700)

    def _save(self, name: str, content: Any) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "xb", opener=owner_only) as file:
            for chunk in content.chunks():
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
        return name

    def link(self, stored: StoredFile, *, disposition: str, expires_at: int) -> str:
        token = sign({"file": stored.pk.hex, "disposition": disposition, "expires": expires_at})
        return f"{settings.API_URL}{PATH}?token={token}"

    def keys(self) -> Iterator[str]:
        """Of every file there is."""
        for folder in FOLDERS:
            if self.exists(folder):
                yield from (name for name in self.listdir(folder)[1] if HEX.fullmatch(name))


def owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    """A new name is safe only when its folder is on the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sign(said: dict[str, Any]) -> str:
    """In one spelling, so that the same address says the same, and any other character makes it another."""
    text = json.dumps(said, separators=(",", ":"), sort_keys=True).encode()
    return SIGNER.sign(base64.urlsafe_b64encode(text).rstrip(b"=").decode())


def read_token(token: str) -> dict[str, Any] | None:
    """What was signed; None when it was not, or no longer holds."""
    try:
        text = SIGNER.unsign(token)
    except signing.BadSignature:
        return None
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return said if said["expires"] > time.time() else None
