from django.db import migrations

from core.indexes import RebuildSearchIndex


class Migration(migrations.Migration):
    """Builds an index anew, while others read and write. Run it again if it is interrupted."""

    atomic = False

    dependencies = [("resources", "0004_revisions")]

    operations = [RebuildSearchIndex("resource", "resource_words")]
