from typing import Any

from django.db import migrations, models
from django.db.models import Q

import core.db.sort_keys
from core.db import owner_versions
from core.db.indexes import AddIndexOnline

TABLE = "resources_resource"


def watch_again(apps: Any, schema_editor: Any) -> None:
    """SQLite adds the column by making the table anew, without its triggers."""
    if schema_editor.connection.vendor == "sqlite":
        owner_versions.unwatch(schema_editor, TABLE)
        owner_versions.watch(schema_editor, TABLE)


def fill(apps: Any, schema_editor: Any) -> None:
    core.db.sort_keys.fill_sort_keys(apps.get_model("resources", "Resource"), schema_editor.connection.alias)


class Migration(migrations.Migration):
    """Run it again if it is interrupted. Requests are served meanwhile."""

    atomic = False

    dependencies = [("resources", "0003_owner_versions")]

    operations = [
        migrations.AddField("resource", "title_sort", core.db.sort_keys.SortKeyField("title")),
        migrations.RunPython(watch_again, watch_again),
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexOnline(
            "resource",
            models.Index(
                fields=["user", "title_sort", "id"],
                condition=Q(deleted_at=None),
                name="resource_by_title_key",
            ),
        ),
        migrations.RemoveIndex("resource", "resource_by_title"),
    ]
