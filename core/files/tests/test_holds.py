"""While a backup has the hold, no file is deleted."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.db.retention import purge_expired
from core.files import services as files
from core.files.holds import AlreadyHeldError, Hold, HoldLostError
from core.files.models import DeletionHold, StoredFile
from core.files.tests.sample_files import stored_file
from core.outbox import services as outbox
from core.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db(transaction=True)


def end_lease():
    """Let the hold run out, as that of a process that was killed."""
    DeletionHold.objects.update(held_until=timezone.now() - timedelta(seconds=1))


def test_files_are_deleted_after_the_hold(disk):
    stored = stored_file()
    with Hold():
        files.schedule_deletion(stored)
        outbox.drain()
        purge_expired()
        assert (len(disk.names()), StoredFile.objects.get().state) == (1, StoredFile.State.DELETING)
    assert OutboxMessage.objects.get().status == OutboxMessage.Status.DONE  # no failed attempts meanwhile
    purge_expired()

    assert (disk.names(), StoredFile.objects.count()) == ([], 0)


def test_there_is_one_holder():
    with Hold(), pytest.raises(AlreadyHeldError), Hold():
        pass
    with Hold() as hold:
        hold.check()


def test_the_hold_of_a_killed_process_runs_out(disk):
    stored = stored_file()
    killed = Hold().__enter__()
    end_lease()
    files.schedule_deletion(stored)
    outbox.drain()
    assert disk.names() == []

    with Hold(), pytest.raises(HoldLostError):
        killed.check()
    killed.__exit__()


def test_a_hold_that_ran_out_for_a_while_is_lost():
    with Hold() as hold:
        end_lease()
        with pytest.raises(HoldLostError):
            hold.check()
