from django.db import migrations

from core import revisions

TABLES = ("resources_resource", "resources_tag")


def watch(apps, schema_editor):
    for table in TABLES:
        revisions.watch(schema_editor, table)


def unwatch(apps, schema_editor):
    for table in TABLES:
        revisions.unwatch(schema_editor, table)


class Migration(migrations.Migration):
    dependencies = [("core", "0005_revision"), ("resources", "0003_attachment")]
    operations = [migrations.RunPython(watch, unwatch)]
