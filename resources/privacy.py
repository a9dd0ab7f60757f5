"""What the resources app holds about a person, for the export."""

from typing import Any

from accounts.models import User
from core.db.privacy import exports
from resources.models import Attachment, Resource, Tag
from resources.serializers import ResourceSerializer


@exports("resources", Resource)
def resources(user: User) -> Any:
    """Those in the trash too: they are still held."""
    rows = Resource.objects.owned_by(user).with_tags().order_by("id")
    return [{**ResourceSerializer(row).data, "deletedAt": row.deleted_at} for row in rows]


@exports("attachments", Attachment)
def attachments(user: User) -> Any:
    """Which of the files hang on what."""
    rows = Attachment.objects.filter(resource__user=user).order_by("id")
    return [{"id": row.pk, "resourceId": row.resource_id, "fileId": row.file_id} for row in rows]


@exports("tags", Tag)
def tags(user: User) -> Any:
    return [{"id": tag.pk, "name": tag.name, "createdAt": tag.created_at} for tag in user.tags.order_by("id")]
