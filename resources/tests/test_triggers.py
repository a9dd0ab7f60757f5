"""Triggers are installed after `migrate`, also for a table that is built anew. A check names missing ones."""

from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.state import ProjectState
from django.test.utils import isolate_apps

from accounts.models import User
from core.db import triggers
from core.db.access import Access
from core.db.base import BaseModel
from core.db.models import Change
from core.db.owner_versions import current_version, watched
from resources.models import Resource, ResourceTag, Tag
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _whole():
    yield
    triggers.install(connection)


def test_every_model_with_one_owner_and_its_link_tables_are_watched():
    assert {Resource, Tag, ResourceTag} <= watched().keys()
    assert watched()[ResourceTag] == ("resource", "user")


@isolate_apps("core.db")
def test_the_tables_on_the_way_to_the_owner_are_watched_too():
    class Shop(models.Model):  # noqa: DJ008
        user = models.ForeignKey(User, on_delete=models.CASCADE)

        class Meta:
            app_label = "core_db"

    class Order(BaseModel):
        access = Access(owner="shop__user")
        shop = models.ForeignKey(Shop, on_delete=models.CASCADE)

        class Meta:
            app_label = "core_db"

    assert watched([Order]) == {Order: ("shop", "user"), Shop: ("user",)}


@isolate_apps("core.db")
@pytest.mark.usefixtures("_whole")
@pytest.mark.parametrize("column", ["ownerId", "user"])
def test_the_column_of_the_owner_may_have_any_name(owner, column):
    """A name in mixed case, and one that is a word of SQL."""

    class Sample(BaseModel):
        access = Access(owner="owner")
        keeps_changes = True
        owner = models.ForeignKey(
            User, models.CASCADE, db_column=column, db_constraint=False, related_name="+"
        )

        class Meta:
            app_label = "core_db"
            db_table = "sample_of_triggers"

    apps.all_models["core_db"]["sample"] = Sample
    apps.clear_cache()
    try:
        with connection.schema_editor() as editor:
            editor.create_model(Sample)
        triggers.install(connection)
        before = current_version(owner.user.pk)
        row = Sample.objects.create(owner=owner.user)

        assert current_version(owner.user.pk) != before
        assert Change.objects.get(object_id=row.pk).owner_id == owner.user.pk
    finally:
        with connection.schema_editor() as editor:
            editor.delete_model(Sample)
        del apps.all_models["core_db"]["sample"]
        apps.clear_cache()


def test_a_link_alone_gives_its_owner_a_new_version(owner):
    resource = ResourceFactory(user=owner.user, tags=["a", "b"])
    before = current_version(owner.user.pk)
    ResourceTag.objects.filter(resource=resource).first().delete()

    assert current_version(owner.user.pk) != before


@pytest.mark.parametrize(("app", "model"), [("resources", "Resource"), ("accounts", "User")])
@pytest.mark.usefixtures("_whole")
def test_an_added_column_keeps_the_triggers(owner, app, model):
    """An AddField with a NOT NULL column makes SQLite build the table anew."""
    resource = ResourceFactory(user=owner.user)
    before = triggers.installed(connection)
    add = migrations.AddField(model, "extra", models.CharField(max_length=9, default="x"))
    old = ProjectState.from_apps(apps)
    new = old.clone()
    add.state_forwards(app, new)
    triggers.before_migrations(plan=[add])
    with connection.schema_editor() as editor:
        add.database_forwards(app, editor, old, new)
    triggers.after_migrations(plan=[add])
    try:
        version = current_version(owner.user.pk)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE resources_resource SET title = 'Changed'")

        assert triggers.installed(connection) == before
        assert current_version(owner.user.pk) != version
        assert Resource.objects.get(pk=resource.pk).title == "Changed"
    finally:
        triggers.before_migrations(plan=[add])
        with connection.schema_editor() as editor:
            add.database_backwards(app, editor, new, old)


@pytest.mark.usefixtures("_whole")
def test_a_missing_trigger_is_named_and_migrate_installs_it(client):
    table, name = next(iter(sorted(triggers.missing(connection) or triggers.installed(connection))))
    triggers.drop(connection, {(table, name)})
    output = StringIO()
    call_command("check", databases=["default"], stderr=output)

    assert f"The table {table} lacks its trigger {name}" in output.getvalue()
    triggers.after_migrations(plan=[])
    assert triggers.missing(connection) == []


@pytest.mark.usefixtures("_whole")
def test_versions_are_renewed_where_a_trigger_was_missing(owner):
    ResourceFactory(user=owner.user)
    before = current_version(owner.user.pk)
    triggers.remove(connection)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE resources_resource SET title = 'Unseen'")
    assert current_version(owner.user.pk) == before
    triggers.after_migrations(plan=[])

    assert current_version(owner.user.pk) != before
