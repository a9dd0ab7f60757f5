from django.db import migrations

from core import append_only


def remove(apps, schema_editor):
    append_only.remove(schema_editor.connection)


class Migration(migrations.Migration):
    """The triggers are installed at the end of each `migrate`: see core/apps.py."""

    dependencies = [("core", "0001_initial")]
    operations = [migrations.RunPython(migrations.RunPython.noop, remove)]
