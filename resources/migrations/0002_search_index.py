from django.db import migrations

from core.db.indexes import AddSearchIndex


class Migration(migrations.Migration):
    """Only adds an index, while others read and write. Run it again if it is interrupted."""

    atomic = False

    dependencies = [("resources", "0001_initial")]

    operations = [AddSearchIndex("resource", "resource_words")]
