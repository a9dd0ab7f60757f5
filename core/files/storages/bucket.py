"""Files in an S3-compatible bucket, downloaded from the bucket itself. See core/files/services.py.

Imported only where S3_BUCKET is set: its packages are in requirements/prod.txt.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage

from core.files.models import HEX, StoredFile

CONFIG = Config(
    signature_version="s3v4",
    # S3-compatible servers do not all know the newer checksums.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
    connect_timeout=5,
    read_timeout=5,
    retries={"total_max_attempts": 2, "mode": "standard"},
)


@contextmanager
def bucket_errors() -> Iterator[None]:
    """Raise the exceptions of boto as OSError, as for a disk."""
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        raise OSError(f"the bucket: {error}") from error


class BucketStorage(S3Storage):
    """A bucket. Its own rules apply, which should admit nobody."""

    max_memory_size = 1024 * 1024

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        style = "path" if self.endpoint_url else "auto"
        self.client_config = CONFIG.merge(Config(s3={"addressing_style": style}))

    @bucket_errors()
    def _save(self, name: str, content: Any) -> str:
        with tempfile.TemporaryFile() as spool:  # boto reads it again when an attempt fails
            spool.writelines(content.chunks())
            return str(super()._save(name, File(spool)))

    @bucket_errors()
    def delete(self, name: str) -> None:
        super().delete(name)

    @bucket_errors()
    def open(self, name: str, mode: str = "rb") -> Any:
        """Return the whole file, so that the bucket is not needed while it is read. Raises FileNotFoundError."""
        return super().open(name, mode).open()

    @bucket_errors()
    def link(self, stored: StoredFile, *, disposition: str, expires_at: int) -> str:
        """Return a presigned URL, without a request to the bucket."""
        parameters = {
            "ResponseContentDisposition": disposition,
            "ResponseContentType": stored.served_type,
        }
        return str(self.url(stored.name, parameters, expire=max(1, expires_at - int(time.time()))))

    def keys(self) -> Iterator[str]:
        with bucket_errors():
            names = (item.key.rpartition("/")[2] for item in self.bucket.objects.all())
            yield from filter(HEX.fullmatch, names)
