from django.db import migrations, models
from django.db.models import Q

from core.indexes import AddIndexOnline, AddSearchIndex

ALIVE = Q(deleted_at=None)


class Migration(migrations.Migration):
    """Only adds indexes, while others read and write. Run it again if it is interrupted."""

    atomic = False

    dependencies = [("resources", "0001_initial")]

    operations = [
        AddIndexOnline(
            "resource",
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=Q(deleted_at__isnull=False),
                name="resource_trash_newest",
            ),
        ),
        AddIndexOnline(
            "resource",
            models.Index(fields=["user", "title", "id"], condition=ALIVE, name="resource_by_title"),
        ),
        AddIndexOnline(
            "resource",
            models.Index(fields=["user", "updated_at", "id"], condition=ALIVE, name="resource_by_update"),
        ),
        AddIndexOnline(
            "resource",
            models.Index(fields=["user", "status", "id"], condition=ALIVE, name="resource_sorted_by_status"),
        ),
        AddSearchIndex("resource", "resource_words"),
    ]
