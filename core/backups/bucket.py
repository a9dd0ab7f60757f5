"""Backups in an S3-compatible bucket. Imported only where BACKUP_S3_BUCKET is set, as core/files/storages/bucket.py."""

from typing import Any

from boto3.s3.transfer import TransferConfig
from storages.backends.s3 import S3Storage

from core.files.storages.bucket import BucketStorage, bucket_errors

PART_BYTES = 32 * 1024 * 1024  # a bucket takes 10,000 parts


class BackupBucket(BucketStorage):
    """A bucket to which the parts of a backup are sent while they are made, without a copy on the disk."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.transfer_config = TransferConfig(multipart_chunksize=PART_BYTES, max_concurrency=2)

    @bucket_errors()
    def _save(self, name: str, content: Any) -> str:
        return str(S3Storage._save(self, name, content))

    @bucket_errors()
    def listdir(self, name: str) -> Any:
        return super().listdir(name)
