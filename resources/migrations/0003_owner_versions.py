from django.db import migrations

from core.db import owner_versions

TABLES = ("resources_resource", "resources_tag")


def watch(apps, schema_editor):
    for table in TABLES:
        owner_versions.watch(schema_editor, table)


def unwatch(apps, schema_editor):
    for table in TABLES:
        owner_versions.unwatch(schema_editor, table)


class Migration(migrations.Migration):
    dependencies = [("core_db", "0001_initial"), ("resources", "0002_search_index")]
    operations = [migrations.RunPython(watch, unwatch)]
