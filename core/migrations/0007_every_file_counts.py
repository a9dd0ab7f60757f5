from django.db import migrations, models


def count_every_file(apps, schema_editor):
    """Files of imports and exports took nothing from the quota before."""
    apps.get_model("core", "StoredFile").objects.filter(counted=False).update(counted=True)


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0006_audit_redaction_only_removes"),
    ]

    operations = [
        migrations.AlterField(
            model_name="storedfile",
            name="counted",
            field=models.BooleanField(default=True, help_text="Whether it takes from its owner's quota"),
        ),
        migrations.RunPython(count_every_file, migrations.RunPython.noop),
    ]
