"""Files in an S3-compatible bucket, downloaded from the bucket itself. See core/files/services.py.

Imported only where S3_BUCKET is set: its packages are in requirements/prod.txt.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from core.files.models import HEX, StoredFile

TIMEOUT_SECONDS = 5
ATTEMPTS = 2
MAX_IN_MEMORY = 1024 * 1024


@contextmanager
def bucket_errors() -> Iterator[None]:
    """Raise what boto raises as an OSError, as for a disk; FileNotFoundError for a key that does not exist."""
    try:
        yield
    except (BotoCoreError, ClientError, Boto3Error) as error:
        response: Any = getattr(error, "response", {})
        is_missing = response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404
        raise (FileNotFoundError if is_missing else OSError)(f"the bucket: {error}") from error


class BucketStorage(S3Storage):
    """A private bucket, signed with v4, with timeouts."""

    def __init__(self, *, bucket: str, region: str, endpoint: str, key_id: str, secret: str) -> None:
        super().__init__(
            bucket_name=bucket,
            region_name=region,
            endpoint_url=endpoint or None,
            access_key=key_id or None,
            secret_key=secret or None,
            default_acl=None,  # the bucket's own rules apply, which should admit nobody
            querystring_auth=True,
            file_overwrite=True,  # names are never used twice, so no request is needed
            max_memory_size=MAX_IN_MEMORY,
            client_config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if endpoint else "auto"},
                # S3-compatible servers do not all know the newer checksums.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=TIMEOUT_SECONDS,
                read_timeout=TIMEOUT_SECONDS,
                retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            ),
        )

    @bucket_errors()
    def _save(self, name: str, content: Any) -> str:
        with tempfile.TemporaryFile() as spool:  # boto reads it again when an attempt fails
            for chunk in content.chunks():
                spool.write(chunk)
            spool.seek(0)
            parameters = {"ContentType": "application/octet-stream"}
            self.bucket.Object(name).upload_fileobj(spool, ExtraArgs=parameters, Config=self.transfer_config)
        return name

    @bucket_errors()
    def delete(self, name: str) -> None:
        self.bucket.Object(name).delete()

    @bucket_errors()
    def open(self, name: str, mode: str = "rb") -> Any:
        """Return the whole file, so that the bucket is not needed while it is read. Raises FileNotFoundError."""
        with ExitStack() as stack:
            spool = stack.enter_context(tempfile.SpooledTemporaryFile(MAX_IN_MEMORY))
            self.bucket.Object(name).download_fileobj(spool, Config=self.transfer_config)
            spool.seek(0)
            stack.pop_all()  # the caller closes it
            return spool

    def link(self, stored: StoredFile, *, disposition: str, expires_at: int) -> str:
        """Return a presigned URL, without a request to the bucket."""
        parameters = {
            "Bucket": self.bucket_name,
            "Key": stored.name,
            "ResponseContentDisposition": disposition,
            "ResponseContentType": stored.served_type,
        }
        client = self.connection.meta.client
        lifetime = max(1, expires_at - int(time.time()))
        with bucket_errors():
            url: str = client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=lifetime)
        return url

    def keys(self) -> Iterator[str]:
        with bucket_errors():
            names = (item.key.rpartition("/")[2] for item in self.bucket.objects.all())
            yield from filter(HEX.fullmatch, names)
