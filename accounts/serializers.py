"""The shapes of account requests and answers."""

import unicodedata
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers

from accounts import tokens
from accounts.addresses import LONGEST, canonical_email
from accounts.models import Role, Session, User
from accounts.services.sessions import TokenPair
from accounts.validators import LONGEST as LONGEST_PASSWORD
from core.serializers import ModelSerializer, StringField

# Log-in accepts what registration would refuse, so that old passwords still work; this only bounds the hashing.
MOST_PASSWORD_INPUT = 1024


class EmailField(serializers.EmailField):
    """An address in its canonical form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=LONGEST, **kwargs)
        self.validators = []  # canonical_email checks all of it, in one place

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return canonical_email(data)
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages[0], code=error.code) from error


class NameField(StringField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=2, max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        # Control and format characters (CR, LF, right-to-left overrides) have no place in a mail header or a list.
        if any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in name):
            raise serializers.ValidationError("Control characters are not allowed.", code="invalid_characters")
        return name


class PasswordField(StringField):
    """Not trimmed: a space at either end is part of the password."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MOST_PASSWORD_INPUT)
        super().__init__(write_only=True, trim_whitespace=False, style={"input_type": "password"}, **kwargs)


class NewPasswordField(PasswordField):
    """Its rules are checked by the service, which knows whose password it is to be."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=8, max_length=LONGEST_PASSWORD, **kwargs)


class UserSerializer(ModelSerializer):
    email = EmailField(read_only=True)
    pendingEmail = EmailField(source="pending_email", read_only=True, allow_null=True)
    emailVerified = serializers.BooleanField(source="email_verified", read_only=True)

    class Meta:
        model = User
        fields = ("id", "email", "pendingEmail", "name", "role", "emailVerified", "createdAt", "updatedAt")
        read_only_fields = ("id", "name", "role", "createdAt", "updatedAt")


class RegisterSerializer(serializers.Serializer[Any]):
    email = EmailField()
    password = NewPasswordField()
    name = NameField()


class CreateUserSerializer(RegisterSerializer):
    role = serializers.ChoiceField(choices=Role.choices, required=False, help_text="Counts when an admin gives it.")


class UpdateUserSerializer(serializers.Serializer[Any]):
    """`email` waits in `pendingEmail` until it is proven. `role` counts when an admin gives it."""

    name = NameField()
    email = EmailField(required=False)
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    currentPassword = PasswordField(required=False)


class DeleteAccountSerializer(serializers.Serializer[Any]):
    currentPassword = PasswordField(required=False)


class LoginSerializer(serializers.Serializer[Any]):
    email = StringField(max_length=LONGEST)
    password = PasswordField()


class RefreshSerializer(serializers.Serializer[Any]):
    refreshToken = StringField(max_length=tokens.LONGEST_TOKEN)


class ForgotPasswordSerializer(serializers.Serializer[Any]):
    email = EmailField()


class ResetPasswordSerializer(serializers.Serializer[Any]):
    token = StringField(max_length=200)
    password = NewPasswordField()


class ChangePasswordSerializer(serializers.Serializer[Any]):
    currentPassword = PasswordField()
    newPassword = NewPasswordField()


class TokenSerializer(serializers.Serializer[Any]):
    token = StringField(max_length=200)


class SessionSerializer(ModelSerializer):
    current = serializers.SerializerMethodField()

    class Meta:
        model = Session
        fields = ("id", "userAgent", "ipAddress", "createdAt", "lastUsedAt", "expiresAt", "current")
        read_only_fields = fields

    def get_current(self, session: Session) -> bool:
        return bool(session.pk == self.context["request"].auth.pk)


class TokensSerializer(serializers.Serializer[Any]):
    """A pair. `expiresIn` is the access token's life in seconds."""

    accessToken = serializers.CharField()
    refreshToken = serializers.CharField()
    tokenType = serializers.ChoiceField(choices=["Bearer"])
    expiresIn = serializers.IntegerField(min_value=1)

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {
            "accessToken": pair.access,
            "refreshToken": pair.refresh,
            "tokenType": "Bearer",
            "expiresIn": round(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        }


class TokensAnswer(serializers.Serializer[Any]):
    tokens = TokensSerializer()

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {"tokens": TokensSerializer(pair).data}


class LoginAnswer(serializers.Serializer[Any]):
    user = UserSerializer()
    tokens = TokensSerializer()

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {"user": UserSerializer(pair.session.user).data, "tokens": TokensSerializer(pair).data}
