"""No row without its file and no file without its row, whatever happens between them."""

import errno
import os
import resource
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.db import connection, transaction

from accounts.tests.factories import UserFactory
from core.db.retention import purge_expired
from core.files import services as files
from core.files.models import StoredFile
from core.files.tests.sample_files import make_older_than_an_hour, pending_file, stored_file
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.tests.storages import bucket_at
from core.web.environment import Environment, encryption
from core.web.errors import ApiError

pytestmark = pytest.mark.django_db

State = StoredFile.State


def test_what_was_stored_can_be_read(storage):
    stored = stored_file(content=b"one two")

    assert stored.size == 7
    with files.open_file(stored) as opened:
        assert opened.read() == b"one two"
        assert opened.seek(4) == 4
        assert opened.read() == b"two"


def test_its_path_has_nothing_of_its_name(storage):
    stored = pending_file(filename="../../etc/passwd")

    assert storage.names() == [stored.pk.hex]
    assert stored.name == f"{stored.pk.hex[-2:]}/{stored.pk.hex}"


def test_opening_a_lost_file_raises_file_not_found(storage):
    stored = stored_file()
    files.storage.delete(stored.name)

    with pytest.raises(FileNotFoundError):
        files.open_file(stored)


def test_a_pending_file_is_purged_after_an_hour(storage):
    pending_file()
    purge_expired()
    assert len(storage.names()) == 1
    make_older_than_an_hour()
    purge_expired()

    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_a_stored_file_is_not_purged(storage):
    stored_file()
    make_older_than_an_hour()
    purge_expired()

    assert len(storage.names()) == 1


def test_a_purged_file_is_refused(disk):
    stored = pending_file()
    make_older_than_an_hour()
    purge_expired()

    with pytest.raises(files.StorageUnavailable):
        files.confirm(stored)


def test_a_file_pending_deletion_is_refused(disk):
    stored = pending_file()
    StoredFile.objects.update(state=State.DELETING, user=None, filename="")

    with pytest.raises(files.StorageUnavailable):
        files.confirm(stored)


def test_a_scheduled_deletion_clears_the_owner_at_once_and_the_bytes_soon(storage):
    stored = stored_file()
    files.schedule_deletion(stored)

    row = StoredFile.objects.get()
    assert (row.state, row.user, row.filename) == (State.DELETING, None, "")
    outbox.drain()
    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_a_scheduled_deletion_that_is_rolled_back_deletes_nothing(disk):
    stored = stored_file()
    with transaction.atomic():
        files.schedule_deletion(stored)
        transaction.set_rollback(True)
    outbox.drain()
    purge_expired()

    assert (StoredFile.objects.get().state, len(disk.names())) == (State.IN_USE, 1)


def test_a_writer_that_fails_leaves_nothing(storage):
    def failing():
        yield b"some"
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="the source is gone"):
        files.store(failing(), user=UserFactory(), content_type="text/plain", filename="a")

    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


# --- a storage that fails --------------------------------------------------------------------------


@pytest.fixture
def full_disk():
    """Limit each file to 100 kB: the kernel refuses the next byte, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    connection.ensure_connection()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_nothing(disk, request):
    user = UserFactory()
    request.getfixturevalue("full_disk")
    with pytest.raises(ApiError) as refusal:
        files.store([b"a" * 60_000, b"b" * 60_000], user=user, content_type="text/plain", filename="a")

    assert (refusal.value.status, refusal.value.code) == (507, "INSUFFICIENT_STORAGE")
    assert (disk.names(), StoredFile.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "INSUFFICIENT_STORAGE"),
        (errno.EDQUOT, "INSUFFICIENT_STORAGE"),
        (errno.EIO, "SERVICE_UNAVAILABLE"),
        (errno.EROFS, "SERVICE_UNAVAILABLE"),
        (errno.EACCES, "SERVICE_UNAVAILABLE"),
    ],
)
def test_an_error_of_the_disk_is_an_error_of_the_server(number, code):
    assert files.refusal(OSError(number, "failed")).code == code


def test_without_the_bucket_nothing_is_stored_and_deletions_are_retried(bucket, settings):
    working = settings.STORAGES
    stored = stored_file()
    settings.STORAGES = {**working, "default": bucket_at("http://127.0.0.1:9")}
    with pytest.raises(files.StorageUnavailable):
        pending_file()
    with pytest.raises(files.StorageUnavailable):
        files.open_file(stored)
    files.schedule_deletion(stored)
    outbox.drain()
    assert OutboxMessage.objects.get().status == OutboxMessage.Status.PENDING
    make_older_than_an_hour()
    assert purge_expired()["files"] == 0

    settings.STORAGES = working
    purge_expired()
    assert (bucket.names(), StoredFile.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"S3_ENCRYPTION": "aws:kms", "S3_KMS_KEY_ID": "key-1"}, ("aws:kms", "key-1")),
        ({"S3_ENCRYPTION": "AES256"}, ("AES256", None)),
    ],
)
def test_the_server_of_the_bucket_encrypts_as_set(
    bucket, settings, s3_server, monkeypatch, variables, expected
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    options = {"object_parameters": encryption(Environment(), "")}
    settings.STORAGES = {**settings.STORAGES, "default": bucket_at(s3_server, **options)}
    found = bucket.client.head_object(Bucket="app", Key=stored_file().name)

    assert (found["ServerSideEncryption"], found.get("SSEKMSKeyId")) == expected


@pytest.fixture
def failing_bucket(settings):
    """A server that responds to every request with a 500, as S3 does at times."""

    class Failing(BaseHTTPRequestHandler):
        def fail(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_error(500)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = fail

        def log_message(self, *_arguments):
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        Thread(target=server.serve_forever).start()
        settings.STORAGES = {
            **settings.STORAGES,
            "default": bucket_at(f"http://127.0.0.1:{server.server_port}"),
        }
        yield
        server.shutdown()


def test_a_bucket_that_fails_leaves_no_row_that_is_in_use(failing_bucket):
    with pytest.raises(files.StorageUnavailable) as refusal:
        pending_file()

    assert (refusal.value.status, refusal.value.code) == (503, "SERVICE_UNAVAILABLE")
    assert not StoredFile.objects.exclude(state=State.PENDING).exists()
    make_older_than_an_hour()
    assert purge_expired()["files"] == 0  # the bucket may have the file; it is tried again


WRITER = """
import django, os, signal
django.setup()
from accounts.models import User
from core.files import services as files
def chunks():
    yield b"a" * 100_000
    os.kill(os.getpid(), signal.SIGKILL)
files.store(chunks(), user=User.objects.get(), content_type="text/plain", filename="a")
"""


@pytest.mark.django_db(transaction=True)
def test_the_purge_deletes_the_file_of_a_killed_writer(disk):
    UserFactory()
    name, url = str(connection.settings_dict["NAME"]), os.environ["DATABASE_URL"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"{url.rpartition('/')[0]}/{name}" if "postgres" in url else f"sqlite:///{name}",
        "MEDIA_ROOT": str(disk.folder),
    }
    done = subprocess.run([sys.executable, "-c", WRITER], env=environment, check=False)

    assert done.returncode == -signal.SIGKILL
    assert (len(disk.names()), StoredFile.objects.get().state) == (1, State.PENDING)
    make_older_than_an_hour()
    purge_expired()
    assert (disk.names(), StoredFile.objects.count()) == ([], 0)
