"""The database refuses to change the audit log, whoever asks, except for redaction, which only removes."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts.tests.factories import UserFactory
from core.audit import services as audit
from core.audit import triggers as append_only
from core.audit.models import AuditEvent
from core.db import triggers
from core.tests.factories import AuditEventFactory
from core.tests.interpreter import django_python

pytestmark = pytest.mark.django_db
TABLE = "core_audit_auditevent"
NOW = "statement_timestamp()" if connection.vendor == "postgresql" else "strftime('%Y-%m-%d %H:%M:%f', 'now')"
only_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no such statement")
only_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL's search path")


@pytest.fixture
def gone():
    """A person who is deleted and is to be erased."""
    return UserFactory(deleted_at=timezone.now())


@pytest.fixture
def event(gone):
    """An event of a deleted person that is about another one."""
    made = AuditEventFactory(
        actor_id=gone.pk,
        subject_id=UserFactory().pk,
        target_id=gone.pk,
        ip_address="203.0.113.9",
        user_agent="x",
        request_id="r",
        changes={"a": [1, 2]},
    )
    triggers.install(connection, append_only.append_only_triggers)
    return made


def key(uuid):
    return str(uuid) if connection.vendor == "postgresql" else uuid.hex


def execute(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def assert_refused(statement):
    before = list(AuditEvent.objects.order_by("id").values())
    with pytest.raises(IntegrityError, match="append-only"):
        execute(statement)
    assert list(AuditEvent.objects.order_by("id").values()) == before


def redaction(person, pseudonym, **instead):
    """The UPDATE that takes `person` out of an event whose actor and target they are, but for what is said."""
    columns = {
        "redacted_at": NOW,
        "changes": "'{}'",
        "actor_id": f"'{key(pseudonym)}'",
        "target_id": f"'{key(pseudonym)}'",
        "ip_address": "NULL",
        "user_agent": "''",
        "request_id": "''",
        **instead,
    }
    said = ", ".join(f"{name} = {value}" for name, value in columns.items())
    return f"UPDATE {TABLE} SET {said} WHERE actor_id = '{key(person)}'"


@pytest.mark.parametrize(
    "change",
    [
        "event = 'nothing.happened'",
        "created_at = '2001-01-01T00:00:00Z'",
        "changes = '{\"a\": 1}'",
        "redacted_at = {now}",
        "redacted_at = {now}, changes = '{{}}'",
        "redacted_at = {now}, changes = '{{}}', ip_address = NULL, user_agent = '', request_id = ''",
        "redacted_at = {now}, changes = '{{}}', actor_id = NULL, target_id = NULL",
    ],
)
def test_no_row_can_be_changed(event, change):
    assert_refused(f"UPDATE {TABLE} SET {change.format(now=NOW) if '{now}' in change else change}")


def test_no_row_can_be_deleted(event):
    assert_refused(f"DELETE FROM {TABLE}")


def test_the_table_cannot_be_emptied(event):
    # SQLite has no TRUNCATE.
    assert_refused(f"TRUNCATE {TABLE}" if connection.vendor == "postgresql" else f"DELETE FROM {TABLE}")


@only_sqlite
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR REPLACE INTO {table} (id, {columns}) SELECT id, {columns} FROM {table}",
        "REPLACE INTO {table} (id, {columns}) SELECT id, {columns} FROM {table}",
        "INSERT OR REPLACE INTO {table} (rowid, id, {columns}) SELECT rowid, '{new}', {columns} FROM {table}",
        "INSERT INTO {table} (id, {columns}) SELECT id, {columns} FROM {table} WHERE true"
        " ON CONFLICT (id) DO UPDATE SET event = 'x'",
        "UPDATE OR REPLACE {table} SET rowid = 1000",
        "UPDATE OR IGNORE {table} SET event = 'x'",
    ],
)
def test_no_row_can_be_replaced(event, statement):
    columns = ", ".join(field.column for field in AuditEvent._meta.concrete_fields if not field.primary_key)
    assert_refused(statement.format(table=TABLE, columns=columns, new=uuid7().hex))


# --- redaction ------------------------------------------------------------------------------------


def test_the_update_that_takes_a_deleted_person_out_passes(event, gone):
    execute(redaction(gone.pk, pseudonym := uuid4()))

    left = AuditEvent.objects.get()
    assert (left.actor_id, left.target_id, left.subject_id) == (pseudonym, pseudonym, event.subject_id)


@pytest.mark.parametrize(
    "instead",
    [
        {"event": "'x'"},
        {"created_at": "'2001-01-01T00:00:00Z'"},
        {"redacted_at": "'2001-01-01T00:00:00Z'"},
        {"redacted_at": "NULL"},
        {"changes": "'{\"a\": 1}'"},
        {"ip_address": "'198.51.100.1'"},
        {"user_agent": "'other'"},
        {"request_id": "'other'"},
        {"target_id": "target_id"},
        {"target_id": "NULL"},
        {"actor_id": "NULL"},
        {"subject_id": "NULL"},
        {"subject_id": "actor_id"},
    ],
)
def test_redaction_only_removes(event, gone, instead):
    assert_refused(redaction(gone.pk, uuid4(), **instead))


def test_the_pseudonym_belongs_to_no_user(event, gone):
    for taken in (UserFactory(id=uuid4()), UserFactory(id=uuid4(), deleted_at=timezone.now())):
        assert_refused(redaction(gone.pk, taken.pk))


def test_the_pseudonym_can_become_no_user(event, gone):
    assert_refused(redaction(gone.pk, uuid7()))


@pytest.mark.parametrize("column", ["actor_id", "subject_id", "target_id"])
@pytest.mark.parametrize("redacted_at", [None, timezone.now()])
def test_the_pseudonym_is_in_no_other_event(event, gone, column, redacted_at):
    AuditEventFactory(**{column: (used := uuid4())}, redacted_at=redacted_at)

    assert_refused(redaction(gone.pk, used))


def test_only_a_deleted_person_is_redacted(event):
    alive = UserFactory()
    for person in (alive.pk, uuid4()):
        AuditEventFactory(actor_id=person, target_id=person)
        assert_refused(redaction(person, uuid4()))


def test_a_redacted_person_is_not_redacted_again(event, gone):
    audit.redact(gone.pk)

    assert_refused(redaction(AuditEvent.objects.get().actor_id, uuid4()))


def test_what_somebody_else_left_of_their_device_stays(gone):
    other = UserFactory().pk
    AuditEventFactory(actor_id=other, subject_id=gone.pk, target_id=gone.pk, ip_address="203.0.113.9")
    triggers.install(connection, append_only.append_only_triggers)
    pseudonym = key(uuid4())

    assert_refused(
        redaction(
            other, uuid4(), actor_id="actor_id", subject_id=f"'{pseudonym}'", target_id=f"'{pseudonym}'"
        )
    )


@only_postgresql
def test_a_table_of_ones_own_does_not_pass_for_the_users(event):
    alive = UserFactory()
    AuditEventFactory(actor_id=alive.pk, target_id=alive.pk)
    execute("CREATE TEMPORARY TABLE accounts_user AS SELECT * FROM accounts_user")
    execute("UPDATE pg_temp.accounts_user SET deleted_at = now()")

    assert_refused(redaction(alive.pk, uuid4()))


def test_forgetting_an_actor_leaves_what_happened_and_nothing_of_them(event):
    assert audit.redact(event.actor_id) == 1

    left = AuditEvent.objects.get()
    assert (left.event, left.created_at, left.subject_id) == (event.event, event.created_at, event.subject_id)
    assert left.actor_id not in {None, event.actor_id}
    assert (left.ip_address, left.user_agent, left.request_id, left.changes) == (None, "", "", {})
    assert left.redacted_at is not None


def test_forgetting_a_subject_keeps_the_actors_trace(gone):
    event = AuditEventFactory(actor_id=UserFactory().pk, subject_id=gone.pk, ip_address="203.0.113.9")
    triggers.install(connection, append_only.append_only_triggers)
    audit.redact(gone.pk)

    left = AuditEvent.objects.get()
    assert (left.actor_id, left.ip_address) == (event.actor_id, "203.0.113.9")
    assert left.subject_id != event.subject_id


def test_two_people_of_one_event_are_forgotten_one_after_the_other(event):
    second = UserFactory._meta.model.objects.get(pk=event.subject_id)
    second.deleted_at = timezone.now()
    second.save(update_fields=["deleted_at"])
    audit.redact(event.actor_id)
    audit.redact(second.pk)

    left = AuditEvent.objects.get()
    assert len({left.actor_id, left.subject_id, event.actor_id, event.subject_id}) == 4


def test_one_persons_events_share_their_pseudonym(event, gone):
    AuditEventFactory(actor_id=gone.pk)
    AuditEventFactory(subject_id=gone.pk)
    audit.redact(gone.pk)

    named = {
        value
        for row in AuditEvent.objects.values_list("actor_id", "subject_id", "target_id")
        for value in row
    }
    assert len(named - {None, event.subject_id}) == 1


# --- migrations -----------------------------------------------------------------------------------

REMAKE = """
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models
from django.db.models.signals import pre_migrate
from core.audit.models import AuditEvent

def triggers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'declared_append_only%'")
        print(cursor.fetchone()[0])

call_command("migrate", verbosity=0)
triggers()
pre_migrate.send(sender=apps.get_app_config("core_db"), using="default", plan=["a migration"])
triggers()
longer = models.CharField(max_length=99)
longer.set_attributes_from_name("event")
longer.model = AuditEvent
with connection.schema_editor() as editor:
    editor.alter_field(AuditEvent, AuditEvent._meta.get_field("event"), longer)
call_command("migrate", "core_jobs", verbosity=0)
triggers()
"""


def test_on_sqlite_a_migration_that_makes_the_table_anew_leaves_the_triggers(tmp_path):
    """While migrations run there are none: one that reads the users would keep their table from being made anew."""
    done = django_python(REMAKE, DATABASE_URL=f"sqlite:///{tmp_path / 'made-anew.sqlite3'}")

    assert (done.stdout.split(), done.returncode) == (["3", "0", "3"], 0), done.stderr
