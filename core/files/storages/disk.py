"""Files on the local disk, and the signed URLs of their downloads (core/files/services.py, core/files/views.py)."""

import os
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
    """Storage under MEDIA_ROOT. When `save` returns, the file is on the disk even if the machine loses power."""

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
        token = SIGNER.sign_object({"file": stored.pk.hex, "disposition": disposition, "expires": expires_at})
        return f"{settings.API_URL}{PATH}?token={token}"

    def keys(self) -> Iterator[str]:
        """Yield the key of every file."""
        for folder in FOLDERS:
            if self.exists(folder):
                yield from (name for name in self.listdir(folder)[1] if HEX.fullmatch(name))


def owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def sync_folder(folder: Path) -> None:
    """Write the folder to the disk: otherwise the name of a new file may be lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
