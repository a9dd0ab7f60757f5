from django.conf import settings
from django.utils import timezone

from core.tasks import BATCH, purges_expired
from resources.models import Resource


@purges_expired("trash")
def purge_trash() -> int:
    """Delete for good what has lain in the trash for TRASH_RETENTION."""
    over = Resource.objects.trashed().filter(deleted_at__lt=timezone.now() - settings.TRASH_RETENTION)
    return Resource.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:BATCH])).delete()[0]
