from typing import Any, ClassVar

from rest_framework import serializers

from accounts.mfa.services.codes import MAX_CODE as MAX_MFA_CODE
from accounts.oidc.models import Identity
from accounts.serializers import EXAMPLE_SECRET, PasswordField
from core.api.serializers import ModelSerializer, Serializer, StringField
from core.web.demo import DEMO_PASSWORD

MAX_CODE = 4096


# Not a page of rows, so without a serializer: the list of a serializer has `meta`.
PROVIDERS: Any = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "provider": {"type": "string", "examples": ["google"]},
            "name": {"type": "string", "examples": ["Google"]},
        },
        "required": ["provider", "name"],
    },
}


class StartSerializer(Serializer):
    redirectUri = StringField(max_length=500, help_text="One that the operator allows, exactly.")
    examples: ClassVar = {"redirectUri": "https://app.example.com/signed-in"}


class StartResponse(Serializer):
    """The address for the browser. The provider sends it back to `redirectUri`, with `code` and `state`."""

    authorizationUrl = serializers.CharField()
    state = serializers.CharField()
    examples: ClassVar = {
        "authorizationUrl": "https://accounts.google.com/o/oauth2/v2/auth?response_type=code",
        "state": EXAMPLE_SECRET,
    }


class ReturnedSerializer(Serializer):
    """The values with which a provider sends the browser back."""

    code = StringField(max_length=MAX_CODE)
    state = StringField(max_length=200)
    examples: ClassVar = {"code": "4/0AfJohXn", "state": EXAMPLE_SECRET}


class FinishSerializer(ReturnedSerializer):
    mfaCode = StringField(
        source="mfa_code",
        required=False,
        max_length=MAX_MFA_CODE,
        help_text="Of a user with a second factor: a code of the authenticator app, or a recovery code.",
    )
    # Without a code, which most users have not.
    example: ClassVar = ReturnedSerializer.examples


class LinkSerializer(ReturnedSerializer):
    """A sign-in to link to the own account."""

    provider = StringField(max_length=50)
    currentPassword = PasswordField(required=False, help_text="Required unless the session is stepped up.")
    examples: ClassVar = ReturnedSerializer.examples | {
        "provider": "google",
        "currentPassword": DEMO_PASSWORD,
    }


class IdentitySerializer(ModelSerializer):
    examples: ClassVar = {"provider": "google", "email": "ada@example.com"}

    class Meta:
        model = Identity
        fields = ("id", "provider", "email", "createdAt", "lastUsedAt")
        read_only_fields = fields
