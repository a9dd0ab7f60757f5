"""A backup is of one moment, whatever is written and deleted while it is made."""

import pytest

pytestmark = pytest.mark.backups

SEED = """
from accounts.tests.factories import UserFactory
UserFactory(email="writer@example.com")
"""
# Commits two rows, each with a file, in one transaction, and in another deletes the oldest attachment with its file.
WRITER = """
import django; django.setup()
from itertools import count
from django.db import transaction
from accounts.models import User
from core.files import services as files
from core.files.attachments.services import Prepared, attach, detach
from core.outbox import services as outbox
from resources.models import Attachment, Resource
user = User.objects.get()
for number in count():
    stored = [files.store([b"%d" % number], user=user, content_type="text/plain", filename="a.txt") for _ in "ab"]
    with transaction.atomic():
        for file in stored:
            row = Resource.objects.create(user=user, title=str(number))
            attach(to=row, model=Attachment, prepared=Prepared(file), actor=user)
    with transaction.atomic():
        detach(attachment=Attachment.objects.order_by("created_at", "id").first(), actor=user)
    outbox.drain()
    print(number, flush=True)
"""
COUNT = "from resources.models import Resource\nresult = Resource.objects.count() // 2"
STATE = """
from core.files import services as files
from resources.models import Attachment, Resource
rows = Attachment.objects.select_related("resource", "file")
result = {
    "titles": list(Resource.objects.values_list("title", flat=True)),
    "attached": {a.file_id.hex: (a.resource.title, files.open_file(a.file).read().decode()) for a in rows},
    "attachments": sum(Resource.objects.values_list("attachment_count", flat=True)),
}
"""
PURGE = "from core.db.retention import purge_expired\npurge_expired()"


def read_until(process, number):
    return next(line for line in process.stdout if int(line) >= number)


def test_a_backup_is_of_one_moment_while_others_write_and_delete(installation, other, barrier):
    installation.execute(SEED)
    writer = installation.start("-c", WRITER)
    try:
        read_until(writer, 4)
        backup = installation.start("manage.py", "backup", BACKUP_ENCRYPT=barrier.encrypt)
        barrier.wait()
        at_barrier = installation.execute(COUNT)
        read_until(writer, at_barrier + 5)  # each deletes a file that is in the backup
        barrier.let_all_through()
        code, out, err = installation.end(backup)
    finally:
        writer.kill()
        writer.communicate()
    assert code == 0, err
    name = out.partition(":")[0]

    other.restore(name, BACKUP_DECRYPT=barrier.decrypt)
    state = other.execute(STATE)
    numbers = {int(title) for title in state["titles"]}
    assert numbers == set(range(len(numbers)))  # all that was committed before …
    assert 4 < len(numbers) <= at_barrier + 1  # … and nothing later …
    assert {state["titles"].count(str(number)) for number in numbers} == {
        2
    }  # … each transaction as a whole …
    assert len(state["attached"]) == state["attachments"] > 0
    assert all(title == content for title, content in state["attached"].values())  # … with its files
    assert installation.manifest(name)["lost"] == []
    installation.execute(PURGE)
    assert set(state["attached"]) - set(installation.files())  # those are deleted afterwards
