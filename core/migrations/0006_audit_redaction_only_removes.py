from django.db import migrations


class Migration(migrations.Migration):
    """Nothing but a reason for `migrate` to install the triggers of this version: see core/apps.py."""

    dependencies = [("core", "0005_revision")]
    operations = []
