from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core.db.retention import BATCH, purges_expired
from core.files import services as files
from resources.models import Attachment, Resource


@purges_expired("trash")
def purge_trash() -> int:
    """Delete for good what has lain in the trash for TRASH_RETENTION."""
    over = Resource.objects.trashed().filter(deleted_at__lt=timezone.now() - settings.TRASH_RETENTION)
    with transaction.atomic():
        batch = list(over.select_for_update().values_list("pk", flat=True)[:BATCH])
        files.schedule_deletion_of(Attachment.objects.filter(resource__in=batch).files())
        return Resource.objects.filter(pk__in=batch).delete()[0]
