from typing import Any, ClassVar

from rest_framework import serializers

from accounts.api_keys.models import ApiKey
from accounts.api_keys.secrets import PREFIX
from accounts.serializers import PasswordField
from accounts.validators import refuse_control_characters
from core.api.scopes import all_scopes
from core.api.serializers import ModelSerializer, Serializer, StringField
from core.web.demo import DEMO_PASSWORD

EXAMPLE_PREFIX = f"{PREFIX}4fK9sQ2x"
MAX_SCOPES = 200


class ScopeField(StringField):
    """A scope of a resource of this server."""

    pattern = r"^[a-z0-9_-]+:(read|write)$"
    example = "resources:read"
    default_error_messages: ClassVar = {"unknown_scope": "There is no such scope. The scopes are: {scopes}."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        scope = super().to_internal_value(data)
        known = all_scopes()
        if scope not in known:
            self.fail("unknown_scope", scopes=", ".join(known))
        return scope


class ApiKeyNameField(StringField):
    example = "Nightly export"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        refuse_control_characters(name)
        return name


class CreateApiKeySerializer(Serializer):
    """A new key."""

    name = ApiKeyNameField()
    scopes = serializers.ListField(child=ScopeField(), max_length=MAX_SCOPES)
    expiresAt = serializers.DateTimeField(
        required=False, help_text="At most a year from now, which is the default."
    )
    currentPassword = PasswordField(required=False, help_text="Required unless the session is stepped up.")

    # Without a scope, because those of every server are others, and without a time, which would be over.
    example: ClassVar = {"name": "Nightly export", "scopes": [], "currentPassword": DEMO_PASSWORD}

    def validate_scopes(self, scopes: list[str]) -> list[str]:
        return sorted(set(scopes))


SHOWN = ("id", "name", "prefix", "scopes", "createdAt", "expiresAt", "lastUsedAt")


class ApiKeySerializer(ModelSerializer):
    examples: ClassVar = {"name": "Nightly export", "prefix": EXAMPLE_PREFIX, "scopes": ["resources:read"]}
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = SHOWN
        read_only_fields: tuple[str, ...] = SHOWN


class CreatedApiKeySerializer(ApiKeySerializer):
    """A new key with its text, `key`, which is shown this once."""

    key = serializers.CharField(read_only=True)
    examples: ClassVar = ApiKeySerializer.examples | {"key": f"{EXAMPLE_PREFIX}…"}

    class Meta(ApiKeySerializer.Meta):
        fields = read_only_fields = (*SHOWN, "key")
