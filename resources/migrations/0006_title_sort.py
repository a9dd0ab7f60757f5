from typing import Any

from django.db import migrations, models
from django.db.models import Q

import core.sort_keys
from core import revisions
from core.indexes import AddIndexOnline

TABLE = "resources_resource"


def watch_again(apps: Any, schema_editor: Any) -> None:
    """SQLite adds the column by making the table anew, without its triggers."""
    if schema_editor.connection.vendor == "sqlite":
        revisions.unwatch(schema_editor, TABLE)
        revisions.watch(schema_editor, TABLE)


def fill(apps: Any, schema_editor: Any) -> None:
    core.sort_keys.fill_sort_keys(apps.get_model("resources", "Resource"), schema_editor.connection.alias)


class Migration(migrations.Migration):
    """Run it again if it is interrupted. Requests are served meanwhile."""

    atomic = False

    dependencies = [("resources", "0005_search_index_by_owner")]

    operations = [
        migrations.AddField("resource", "title_sort", core.sort_keys.SortKeyField("title")),
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
