"""Files in an S3-compatible bucket, handed out by the bucket itself. See core/files/services.py.

Loaded only where S3_BUCKET is set: its packages are in requirements/prod.txt.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from storages.backends.s3 import S3Storage

from core.files.models import HEX, StoredFile

TIMEOUT_SECONDS = 5
ATTEMPTS = 2
LONGEST_IN_MEMORY = 1024 * 1024

P = ParamSpec("P")
R = TypeVar("R")


def answering(method: Callable[P, R]) -> Callable[P, R]:
    """What boto raises when the bucket does not answer, or refuses, is an OSError, as with a disk."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (BotoCoreError, ClientError, Boto3Error) as error:
            raise OSError(f"the bucket: {error}") from error

    return call


class BucketStorage(S3Storage):
    """Private, signed with v4, and with bounded patience."""

    def __init__(self, *, bucket: str, region: str, endpoint: str, key_id: str, secret: str) -> None:
        super().__init__(
            bucket_name=bucket,
            region_name=region,
            endpoint_url=endpoint or None,
            access_key=key_id or None,
            secret_key=secret or None,
            default_acl=None,  # the bucket's own rules hold, and they should let nobody in
            querystring_auth=True,
            file_overwrite=True,  # names are never used twice, so there is nothing to ask the bucket for
            max_memory_size=LONGEST_IN_MEMORY,
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

    @answering
    def _save(self, name: str, content: Any) -> str:
        with tempfile.TemporaryFile() as spool:  # boto wants to go back in it, when an attempt fails
            for chunk in content.chunks():
                spool.write(chunk)
            spool.seek(0)
            parameters = {"ContentType": "application/octet-stream"}
            self.bucket.Object(name).upload_fileobj(spool, ExtraArgs=parameters, Config=self.transfer_config)
        return name

    @answering
    def delete(self, name: str) -> None:
        self.bucket.Object(name).delete()

    def open(self, name: str, mode: str = "rb") -> Any:
        """The whole file, so that the bucket is not needed while it is read. Raises FileNotFoundError."""
        spool = tempfile.SpooledTemporaryFile(LONGEST_IN_MEMORY)  # noqa: SIM115 - the caller closes it
        try:
            self.bucket.Object(name).download_fileobj(spool, Config=self.transfer_config)
        except ClientError as error:
            spool.close()
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise FileNotFoundError(name) from error
            raise OSError(f"the bucket: {error}") from error
        except (BotoCoreError, Boto3Error) as error:
            spool.close()
            raise OSError(f"the bucket: {error}") from error
        spool.seek(0)
        return spool

    @answering
    def link(self, stored: StoredFile, *, disposition: str, expires_at: int) -> str:
        """Presigned: no call goes out for it."""
        parameters = {
            "Bucket": self.bucket_name,
            "Key": stored.name,
            "ResponseContentDisposition": disposition,
            "ResponseContentType": stored.served_type,
        }
        client = self.connection.meta.client
        lifetime = max(1, expires_at - int(time.time()))
        url: str = client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=lifetime)
        return url

    @answering
    def keys(self) -> Iterator[str]:
        for item in self.bucket.objects.all():
            name = item.key.rpartition("/")[2]
            if HEX.fullmatch(name):
                yield name
