"""Files on the local disk, and the signed URLs of their downloads (core/files/services.py, core/files/views.py)."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.files.storage import FileSystemStorage

from core.files.models import HEX, StoredFile

SIGNER = signing.Signer(sep=".", salt="core.files")


class DiskStorage(FileSystemStorage):
    """Storage under MEDIA_ROOT. When `save` returns, the file is on the disk even if the machine loses power."""

    def __init__(self, location: str) -> None:
        super().__init__(location=location, file_permissions_mode=0o600, directory_permissions_mode=0o700)

    def _save(self, name: str, content: Any) -> str:
        name = super()._save(name, content)  # type: ignore[misc]
        path = Path(self.path(name))
        for written in (path, path.parent):  # the folder too: otherwise the name of a new file may be lost
            descriptor = os.open(written, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        return name

    def link(self, stored: StoredFile, *, disposition: str, expires_at: int) -> str:
        token = SIGNER.sign_object({"file": stored.pk.hex, "disposition": disposition, "expires": expires_at})
        return f"{settings.API_URL}/api/v1/files?token={token}"

    def keys(self) -> Iterator[str]:
        """Yield the key of every file."""
        paths = Path(self.location).glob("??/*")
        return (path.name for path in paths if HEX.fullmatch(path.name))
