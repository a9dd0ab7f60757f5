"""Attachments as requests and responses show them."""

import time
from typing import Any, ClassVar

from rest_framework import serializers

from core.files import services as files
from core.files.content_types import ALLOWED, IMAGES


def shown(attachment: Any, made_at: int) -> dict[str, Any]:
    """As an answer shows it, with addresses that live from `made_at` on."""
    file, thumbnail = attachment.file, attachment.thumbnail
    inline = file.content_type in IMAGES
    return {
        "id": attachment.pk,
        "filename": file.filename,
        "contentType": file.content_type,
        "size": file.size,
        "width": attachment.width,
        "height": attachment.height,
        "url": files.signed_url(file, inline=inline, made_at=made_at),
        "thumbnailUrl": files.signed_url(thumbnail, inline=True, made_at=made_at) if thumbnail else None,
        "createdAt": attachment.created_at,
    }


class UploadSerializer(serializers.Serializer[Any]):
    file = serializers.FileField(help_text="PNG, JPEG, WebP, GIF, PDF, plain text or CSV, up to 10 MiB.")
    examples: ClassVar = {"file": "(the bytes of the file)"}


class AttachmentCount(serializers.ListSerializer[Any]):
    """The number of attachments, for which ShowsAttachments puts the attachments themselves."""

    represents_the_value = True

    def to_representation(self, data: Any) -> Any:
        return data if isinstance(data, int) else super().to_representation(data)


class AttachmentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(read_only=True)
    filename = serializers.CharField(read_only=True)
    contentType = serializers.ChoiceField(
        read_only=True, choices=ALLOWED, help_text="Read from the bytes of the file."
    )
    size = serializers.IntegerField(
        read_only=True, min_value=0, help_text="In bytes; of an image, after it was encoded anew."
    )
    width = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="In pixels; null for what is no image."
    )
    height = serializers.IntegerField(read_only=True, allow_null=True)
    url = serializers.CharField(
        read_only=True, help_text="Hands the file out to anybody, for 5 minutes. Relative to this API."
    )
    thumbnailUrl = serializers.CharField(
        read_only=True, allow_null=True, help_text="Of an image, at most 320 pixels wide and high."
    )
    createdAt = serializers.DateTimeField(read_only=True)
    examples: ClassVar = {
        "filename": "venue.jpg",
        "contentType": "image/jpeg",
        "size": 48_213,
        "width": 1600,
        "height": 1200,
        "url": "/api/v1/files?token=eyJkaXNwb3Np.3Jt0dGhpcyBpcyBub3Q",
        "thumbnailUrl": "/api/v1/files?token=eyJkaXNwb3Np.bm90IHRoaXMgZWl0aGVy",
    }

    class Meta:
        list_serializer_class = AttachmentCount
        fields = (
            "id",
            "filename",
            "contentType",
            "size",
            "width",
            "height",
            "url",
            "thumbnailUrl",
            "createdAt",
        )

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return shown(instance, int(time.time()))
