"""The quota of all files of a user, also of files that are written at once."""

import threading

import pytest

from accounts.tests.factories import UserFactory
from core.files import services as files
from core.files.models import StoredFile
from core.files.tests.sample_files import pending_file
from core.tests.parallel import together

pytestmark = pytest.mark.django_db


def test_the_quota_is_of_all_files_of_one_user(disk, settings):
    settings.UPLOAD_QUOTA = 10
    user = UserFactory()
    first = pending_file(b"12345", user, size=5)
    pending_file(b"12345", user, size=5)
    with pytest.raises(files.QuotaExceeded):
        pending_file(b"1", user, size=1)
    pending_file(b"1", UserFactory(), size=1)
    files.schedule_deletion(first)
    pending_file(b"1", user, size=1)

    assert StoredFile.objects.filter(user=user).count() == 2


def test_a_file_of_unknown_size_counts_too(storage, settings):
    settings.UPLOAD_QUOTA = 10
    user = UserFactory()
    made = pending_file(b"12345678", user)
    with pytest.raises(files.QuotaExceeded):
        pending_file(b"123", user, size=3)

    assert (made.size, len(storage.names())) == (8, 1)


def test_a_file_that_outgrows_the_quota_is_stopped_and_deleted(storage, settings):
    settings.UPLOAD_QUOTA = 10
    user = UserFactory()
    pending_file(b"123", user, size=3)
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
            return bool(pending_file(b"1", user, size=size))
        except files.QuotaExceeded:
            return False

    assert sum(together(*[upload] * 20)) == 5
    assert len(disk.names()) == StoredFile.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_two_that_are_written_at_once_share_the_room(disk, settings):
    """Both files fit when they begin; only one of them fits when both end."""
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
