"""Attachments as requests and responses show them."""

import time
from datetime import UTC
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import serializers

from core.api.serializers import Serializer
from core.files import services as files
from core.files.attachments.services import attach
from core.files.content_types import ALLOWED, IMAGES
from core.files.models import BaseAttachment


class UploadSerializer(Serializer):
    file = serializers.FileField(
        help_text=f"PNG, JPEG, WebP, GIF, PDF, plain text or CSV, up to {settings.MAX_UPLOAD_MB} MiB."
    )
    examples: ClassVar = {"file": "(the bytes of the file)"}

    def create(self, validated_data: dict[str, Any]) -> BaseAttachment:
        """Attach the file, which AttachmentViewSet has stored. Other values are those of own columns of the model."""
        return attach(
            to=self.context["parent"],
            model=self.context["view"].queryset.model,
            prepared=self.context["prepared"],
            actor=self.context["request"].user,
            **{name: value for name, value in validated_data.items() if name != "file"},
        )


class AttachmentCount(serializers.ListSerializer[Any]):
    """The number of attachments, for which ShowsAttachments puts the attachments themselves."""

    represents_the_value = True

    def to_representation(self, data: Any) -> Any:
        return data if isinstance(data, int) else super().to_representation(data)


class SignedUrlField(serializers.CharField):
    """The address of a file, valid from the `made_at` of the context on."""

    def to_representation(self, value: Any) -> str:
        made_at = self.context.get("made_at") or int(time.time())
        return files.signed_url(value, inline=value.content_type in IMAGES, made_at=made_at)


class AttachmentSerializer(Serializer):
    id = serializers.UUIDField(read_only=True)
    filename = serializers.CharField(source="file.filename", read_only=True)
    contentType = serializers.ChoiceField(
        source="file.content_type",
        read_only=True,
        choices=ALLOWED,
        help_text="Read from the bytes of the file.",
    )
    size = serializers.IntegerField(
        source="file.size",
        read_only=True,
        min_value=0,
        help_text="In bytes; of an image, after it was encoded anew.",
    )
    width = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="In pixels; null for what is no image."
    )
    height = serializers.IntegerField(read_only=True, allow_null=True)
    url = SignedUrlField(
        source="file",
        read_only=True,
        help_text="Returns the file without a token, for 5 minutes. Relative to this API.",
    )
    thumbnailUrl = SignedUrlField(
        source="thumbnail",
        read_only=True,
        allow_null=True,
        help_text="Of an image, at most 320 pixels wide and high.",
    )
    createdAt = serializers.DateTimeField(source="created_at", read_only=True, default_timezone=UTC)
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
