"""Serializers of requests and responses about second factors."""

from functools import partial
from typing import ClassVar

from rest_framework import serializers

from accounts.mfa.services.codes import verify_code
from accounts.serializers import CodeField, PasswordField
from accounts.services import step_up
from core.api.serializers import Serializer

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
    examples: ClassVar = {"recoveryCodes": [f"abcd-efgh-ijkl-mno{letter}" for letter in "abcdefghij"]}


class FactorsSerializer(Serializer):
    """The second factors of the caller."""

    totp = serializers.BooleanField()
    recoveryCodesLeft = serializers.IntegerField(min_value=0, source="recovery_codes_left")
    examples: ClassVar = {"totp": True, "recoveryCodesLeft": 10}
