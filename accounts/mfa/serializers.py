"""Serializers of requests and responses about second factors."""

from functools import partial
from typing import Any, ClassVar

from rest_framework import serializers

from accounts.mfa.services.codes import verify_code
from accounts.mfa.services.passkeys import verify_step_up
from accounts.serializers import CodeField, PasswordField
from accounts.services import step_up
from core.api.serializers import Serializer, StringField

MAX_BYTES, MAX_ATTESTATION = 4096, 65_536  # characters of base64url
EXAMPLE_CODES = [f"abcd-efgh-ijkl-mno{letter}" for letter in "abcdefghij"]
# PublicKeyCredentialCreationOptionsJSON and PublicKeyCredentialRequestOptionsJSON, for the browser to read.
OPTIONS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "The options as WebAuthn has them in JSON, for `parseCreationOptionsFromJSON` and the other.",
    "additionalProperties": True,
    "examples": [
        {"challenge": "AQIDBA", "rpId": "example.com", "timeout": 300_000, "userVerification": "required"}
    ],
}
NEEDED = "Required unless the session is stepped up."
step_up.proofs.register("code", step_up.Proof(partial(CodeField, required=False), verify_code))


class ReauthenticationSerializer(Serializer):
    currentPassword = PasswordField(required=False, help_text=NEEDED)


class CodeSerializer(Serializer):
    code = CodeField()


class RemoveFactorSerializer(Serializer):
    currentPassword = PasswordField(required=False, help_text=NEEDED)
    code = CodeField()


class EnrolmentSerializer(Serializer):
    """A new secret. A client shows `otpauthUri` as a QR code, and `secret` to type."""

    secret = serializers.CharField()
    otpauthUri = serializers.CharField(source="uri")
    examples: ClassVar = {
        "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",  # the one of RFC 6238, appendix B
        "otpauthUri": "otpauth://totp/Example:ada%40example.com"
        "?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Example",
    }


class RecoveryCodesSerializer(Serializer):
    """New recovery codes. They are shown this once."""

    recoveryCodes = serializers.ListField(
        child=serializers.CharField(), min_length=10, max_length=10, read_only=True
    )
    examples: ClassVar = {"recoveryCodes": EXAMPLE_CODES}


class PasskeySerializer(Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    createdAt = serializers.DateTimeField(source="created_at")
    lastUsedAt = serializers.DateTimeField(source="last_used_at", allow_null=True)
    examples: ClassVar[dict[str, Any]] = {"name": "Phone"}


class NewPasskeySerializer(PasskeySerializer):
    """A new passkey. With the first second factor ten recovery codes are shown, this once."""

    recoveryCodes = serializers.ListField(child=serializers.CharField(), allow_null=True)
    examples: ClassVar[dict[str, Any]] = {"name": "Phone", "recoveryCodes": EXAMPLE_CODES}


class BytesField(StringField):
    """Bytes in base64url."""

    example = "AQIDBA"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=kwargs.pop("max_length", MAX_BYTES), **kwargs)


class CredentialSerializer(Serializer):
    """A PublicKeyCredential as its `toJSON` returns it (WebAuthn, level 3)."""

    id = BytesField()
    rawId = BytesField()
    type = serializers.ChoiceField(choices=["public-key"])
    authenticatorAttachment = StringField(max_length=40, required=False, allow_null=True)
    clientExtensionResults = serializers.DictField(required=False)
    examples: ClassVar = {"authenticatorAttachment": "platform", "clientExtensionResults": {}}


class AttestationSerializer(Serializer):
    clientDataJSON = BytesField()
    attestationObject = BytesField(max_length=MAX_ATTESTATION)
    transports = serializers.ListField(child=StringField(max_length=40), required=False, max_length=10)
    authenticatorData = BytesField(required=False)
    publicKey = BytesField(required=False)
    publicKeyAlgorithm = serializers.IntegerField(required=False)
    examples: ClassVar = {"transports": ["internal"], "publicKeyAlgorithm": -7}


class RegisterPasskeySerializer(CredentialSerializer):
    """The credential of `navigator.credentials.create`, with a name for it."""

    name = StringField(max_length=100, required=False, default="Passkey")
    response = AttestationSerializer()
    examples: ClassVar = {**CredentialSerializer.examples, "name": "Phone"}


class AssertionSerializer(Serializer):
    clientDataJSON = BytesField()
    authenticatorData = BytesField()
    signature = BytesField()
    userHandle = BytesField(required=False, allow_null=True)


class AssertPasskeySerializer(CredentialSerializer):
    """The credential of `navigator.credentials.get`."""

    response = AssertionSerializer()


step_up.proofs.register(
    "passkey", step_up.Proof(partial(AssertPasskeySerializer, required=False), verify_step_up)
)


class FactorsSerializer(Serializer):
    """The second factors of the caller."""

    totp = serializers.BooleanField()
    passkeys = PasskeySerializer(many=True)
    recoveryCodesLeft = serializers.IntegerField(min_value=0, source="recovery_codes_left")
    examples: ClassVar = {"totp": True, "recoveryCodesLeft": 10}
