from typing import Any

from django.db import migrations

from accounts.models import search_text_of

BATCH = 500


def fill(apps: Any, schema_editor: Any) -> None:
    """In short transactions, so that no log-in waits long. It may be interrupted and run again."""
    users = apps.get_model("accounts", "User")._base_manager.using(schema_editor.connection.alias)
    rows = users.filter(search_text="").only("name", "email", "search_text").order_by("pk")
    batch = list(rows[:BATCH])
    while batch:
        for user in batch:
            user.search_text = search_text_of(user.name, user.email)
        users.bulk_update(batch, ["search_text"])
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0002_user_search_text")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
