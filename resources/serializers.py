from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from core.api.serializers import ModelSerializer, StringField, VersionField
from core.files.attachments.serializers import AttachmentSerializer
from resources import services
from resources.models import MAX_NAME_INPUT, MAX_TAGS, Resource, Tag, canonical_name


class TagNameField(StringField):
    """A tag name in its canonical form."""

    max_input = MAX_NAME_INPUT
    example = "meeting"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=50, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        return canonical_name(super().to_internal_value(data))


class TagListField(serializers.ListField):
    """A list of tag names without duplicates, in the given order."""

    child = TagNameField()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_TAGS, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        if isinstance(data, list) and len(data) > MAX_TAGS:  # before the validation of each name
            self.fail("max_length", max_length=MAX_TAGS)
        return list(dict.fromkeys(super().to_internal_value(data)))


class ResourceSerializer(ModelSerializer):
    title = StringField(min_length=1, max_length=255)
    content = StringField(max_length=100_000, allow_blank=True, trim_whitespace=False, default="")
    status = serializers.ChoiceField(choices=Resource.Status.choices, default=Resource.Status.DRAFT)
    tags = TagListField(source="tag_names", default=list)
    version = VersionField()
    examples: ClassVar = {"title": "Minutes of the meeting", "content": "Agreed: the budget and the venue."}

    class Meta:
        model = Resource
        fields = ("id", "userId", "title", "content", "status", "tags", "version", "createdAt", "updatedAt")
        read_only_fields = ("id", "userId", "createdAt", "updatedAt")

    def create(self, validated_data: dict[str, Any]) -> Resource:
        return services.create_resource(**service_values(validated_data))

    def update(self, instance: Resource, validated_data: dict[str, Any]) -> Resource:
        return services.update_resource(resource=instance, **service_values(validated_data))

    def create_many(self, items: Sequence[Mapping[str, Any]]) -> list[Resource]:
        user = self.context["request"].user
        return services.create_resources(user=user, items=[service_values(item) for item in items])

    def update_many(self, changes: Sequence[tuple[Resource, Mapping[str, Any]]]) -> list[Resource]:
        return services.update_resources(
            changes=[(instance, service_values(values)) for instance, values in changes]
        )


def service_values(validated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the validated data of ResourceSerializer with the argument names of the services."""
    return {"tags" if name == "tag_names" else name: value for name, value in validated.items()}


class ResourceDetailSerializer(ResourceSerializer):
    """A single resource with its attachments; see core.files.attachments.views.ShowsAttachments."""

    attachments = AttachmentSerializer(many=True, read_only=True, source="attachment_count")

    class Meta(ResourceSerializer.Meta):
        fields: Any = (
            *ResourceSerializer.Meta.fields[:-3],
            "attachments",
            "version",
            "createdAt",
            "updatedAt",
        )


class TagSerializer(ModelSerializer):
    name = TagNameField()
    resourceCount = serializers.IntegerField(source="resource_count", read_only=True, min_value=0)
    version = VersionField()
    examples: ClassVar = {"resourceCount": 3}

    class Meta:
        model = Tag
        fields = ("id", "name", "resourceCount", "version", "createdAt", "updatedAt")
        read_only_fields = ("id", "createdAt", "updatedAt")

    def update(self, instance: Tag, validated_data: dict[str, Any]) -> Tag:
        name = validated_data.get("name", instance.name)
        return services.rename_tag(tag=instance, name=name, actor=self.context["request"].user)
