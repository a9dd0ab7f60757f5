from typing import Any

from django.db import migrations, models

KNOWN = models.Q(state__in=["pending", "kept", "deleting"])


def rename(old: str, new: str) -> Any:
    def update(apps: Any, schema_editor: Any) -> None:
        files = apps.get_model("core_files", "StoredFile").objects.using(schema_editor.connection.alias)
        files.filter(state=old).update(state=new)

    return update


class Migration(migrations.Migration):
    dependencies = [("core_files", "0001_initial")]

    operations = [
        migrations.RemoveConstraint("storedfile", "stored_file_state_is_known"),
        migrations.RemoveConstraint("storedfile", "doomed_file_is_nobodys"),
        migrations.AlterField(
            "storedfile",
            "state",
            models.CharField(
                choices=[("pending", "Pending"), ("kept", "Kept"), ("deleting", "Deleting")],
                default="pending",
                max_length=10,
            ),
        ),
        migrations.RunPython(rename("doomed", "deleting"), rename("deleting", "doomed")),
        migrations.AddConstraint(
            "storedfile", models.CheckConstraint(condition=KNOWN, name="stored_file_state_is_known")
        ),
        migrations.AddConstraint(
            "storedfile",
            models.CheckConstraint(
                condition=~models.Q(state="deleting") | models.Q(user=None, filename=""),
                name="deleted_file_has_no_owner",
            ),
        ),
    ]
