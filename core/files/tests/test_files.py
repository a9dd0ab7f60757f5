"""No row without its file and no file without its row, whatever happens between them."""

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.services.erasure import erase
from accounts.tests.factories import UserFactory
from core.db.retention import purge_expired
from core.files import services as files
from core.files.models import StoredFile
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage
from core.tests.parallel import together
from core.tests.storages import bucket_at
from core.web.errors import ApiError
from resources.models import Attachment
from resources.tests.factories import AttachmentFactory, ResourceFactory

pytestmark = pytest.mark.django_db

State = StoredFile.State


def store(content=b"content", user=None, **values):
    values = {"content_type": "text/plain", "filename": "a.txt", **values}
    return files.store([content], user=user or UserFactory(), **values)


def kept(**values):
    stored = store(**values)
    files.keep(stored)
    return stored


def an_hour_later():
    StoredFile.objects.update(created_at=timezone.now() - timedelta(hours=1, seconds=1))


def test_what_was_stored_can_be_read(storage):
    stored = kept(content=b"one two")

    assert stored.size == 7
    with files.open_file(stored) as opened:
        assert opened.read() == b"one two"
        assert opened.seek(4) == 4
        assert opened.read() == b"two"


def test_its_place_tells_nothing_of_its_name(storage):
    stored = store(filename="../../etc/passwd")

    assert storage.names() == [stored.pk.hex]
    assert stored.name == f"{stored.pk.hex[-2:]}/{stored.pk.hex}"


def test_a_lost_one_is_said_to_be_lost(storage):
    stored = kept()
    files.storage.delete(stored.name)

    with pytest.raises(FileNotFoundError):
        files.open_file(stored)


def test_what_nobody_keeps_is_purged_after_an_hour(storage):
    store()
    purge_expired()
    assert len(storage.names()) == 1
    an_hour_later()
    purge_expired()

    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_what_is_kept_stays(storage):
    kept()
    an_hour_later()
    purge_expired()

    assert len(storage.names()) == 1


def test_what_the_purge_took_cannot_be_kept(disk):
    stored = store()
    an_hour_later()
    purge_expired()

    with pytest.raises(files.StorageUnavailable):
        files.keep(stored)


def test_a_file_whose_deletion_is_scheduled_cannot_be_kept(disk):
    stored = store()
    StoredFile.objects.update(state=State.DELETING, user=None, filename="")

    with pytest.raises(files.StorageUnavailable):
        files.keep(stored)


def test_a_scheduled_deletion_clears_the_owner_at_once_and_the_bytes_soon(storage):
    stored = kept()
    files.schedule_deletion(stored)

    row = StoredFile.objects.get()
    assert (row.state, row.user, row.filename) == (State.DELETING, None, "")
    outbox.drain()
    assert (storage.names(), StoredFile.objects.count()) == ([], 0)


def test_a_scheduled_deletion_that_is_rolled_back_deletes_nothing(disk):
    stored = kept()
    with transaction.atomic():
        files.schedule_deletion(stored)
        transaction.set_rollback(True)
    outbox.drain()
    purge_expired()

    assert (StoredFile.objects.get().state, len(disk.names())) == (State.KEPT, 1)


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
    """No file may grow beyond 100 kB: the kernel refuses the next byte, as it does on a full disk."""
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
    ],
)
def test_a_disk_that_fails_is_our_fault_and_says_so(number, code):
    assert files.refusal(OSError(number, "failed")).code == code


def test_without_the_bucket_nothing_is_stored_and_nothing_promised_is_lost(bucket, settings):
    working = settings.STORAGES
    stored = kept()
    settings.STORAGES = {**working, "default": bucket_at("http://127.0.0.1:9")}
    with pytest.raises(files.StorageUnavailable):
        store()
    with pytest.raises(files.StorageUnavailable):
        files.open_file(stored)
    files.schedule_deletion(stored)
    outbox.drain()
    assert OutboxMessage.objects.get().status == OutboxMessage.Status.PENDING
    an_hour_later()
    assert purge_expired()["files"] == 0

    settings.STORAGES = working
    purge_expired()
    assert (bucket.names(), StoredFile.objects.count()) == ([], 0)


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
def test_a_writer_that_is_killed_leaves_what_the_purge_finds(disk):
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
    an_hour_later()
    purge_expired()
    assert (disk.names(), StoredFile.objects.count()) == ([], 0)


# --- quota ----------------------------------------------------------------------------------------


def test_the_quota_is_of_all_files_of_one_user(disk, settings):
    settings.UPLOAD_QUOTA = 10
    user = UserFactory()
    first = store(b"12345", user, size=5)
    store(b"12345", user, size=5)
    with pytest.raises(files.QuotaExceeded):
        store(b"1", user, size=1)
    store(b"1", UserFactory(), size=1)
    files.schedule_deletion(first)
    store(b"1", user, size=1)

    assert StoredFile.objects.filter(user=user).count() == 2


def test_a_file_of_unknown_size_counts_too(storage, settings):
    settings.UPLOAD_QUOTA = 10
    user = UserFactory()
    made = store(b"12345678", user)
    with pytest.raises(files.QuotaExceeded):
        store(b"123", user, size=3)

    assert (made.size, len(storage.names())) == (8, 1)


def test_one_that_outgrows_the_quota_is_stopped_and_leaves_nothing(storage, settings):
    settings.UPLOAD_QUOTA = 10
    user = UserFactory()
    store(b"123", user, size=3)
    written = []

    def endless():
        while True:
            written.append(4)
            yield b"4444"

    with pytest.raises(files.QuotaExceeded, match="together"):
        files.store(endless(), user=user, content_type="text/csv", filename="a.csv")

    assert (sum(written), len(storage.names()), StoredFile.objects.count()) == (8, 1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("size", [1, None])
def test_the_quota_is_exact_however_many_upload_at_once(disk, settings, size):
    settings.UPLOAD_QUOTA = 5
    user = UserFactory()

    def upload():
        try:
            return bool(store(b"1", user, size=size))
        except files.QuotaExceeded:
            return False

    assert sum(together(*[upload] * 20)) == 5
    assert len(disk.names()) == StoredFile.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_two_that_are_written_at_once_share_the_room(disk, settings):
    """Each has room when it begins; only one has when both end."""
    settings.UPLOAD_QUOTA = 10
    user = UserFactory()
    both_under_way = threading.Barrier(2, timeout=20)

    def export():
        def chunks():
            yield b"123"
            both_under_way.wait()
            yield b"456"

        try:
            return files.store(chunks(), user=user, content_type="text/csv", filename="a.csv").size
        except files.QuotaExceeded:
            return None

    assert sorted(together(export, export), key=bool) == [None, 6]
    assert len(disk.names()) == StoredFile.objects.count() == 1


# --- what goes with its owner ----------------------------------------------------------------------


def test_files_go_with_their_resource(storage):
    attachment = AttachmentFactory()
    attachment.resource.soft_delete()
    type(attachment.resource).objects.update(deleted_at=timezone.now() - timedelta(days=31))
    purge_expired()
    outbox.drain()

    assert (storage.names(), StoredFile.objects.count(), Attachment.objects.count()) == ([], 0, 0)


def test_files_go_with_their_person(storage):
    attachment = AttachmentFactory()
    store(user=attachment.resource.user)
    erase(user=attachment.resource.user)
    outbox.drain()

    assert (storage.names(), StoredFile.objects.count(), Attachment.objects.count()) == ([], 0, 0)


def test_the_export_names_them(disk, owner):
    attachment = AttachmentFactory(resource=ResourceFactory(user=owner.user))
    AttachmentFactory()
    data = owner.get("/api/v1/users/me/export").json()["data"]

    assert [item["filename"] for item in data["files"]] == ["a.txt"]
    (item,) = data["attachments"]
    assert (item["id"], item["resourceId"]) == (str(attachment.pk), str(attachment.resource_id))
