"""Serializers of requests and responses about accounts."""

from functools import partial
from typing import Any, ClassVar

from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.addresses import MAX_EMAIL, canonical_email
from accounts.cookies import csrf_token
from accounts.mfa.services.codes import MAX_CODE
from accounts.models import Role, Session, Status, User
from accounts.services import step_up
from accounts.services.sessions import TokenPair
from accounts.tokens import lifetime_seconds
from accounts.validators import MAX_PASSWORD, MAX_PASSWORD_INPUT, refuse_control_characters
from core.api.serializers import ModelSerializer, Serializer, StringField, VersionField
from core.web.demo import DEMO_PASSWORD

# The usual control and format characters, for a pattern. The validators refuse the rare ones too.
UNSEEN = r"\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"

UPPER, DIGIT = r"[^\x00-@\[-\x7f]", r"[^\x00-/:-\x7f]"

EXAMPLE_JWT = "eyJhbGciOi.eyJzdWIiOi.Zk3vN0c8yQ"  # shortened, so that no scanner takes it for a leak
EXAMPLE_SECRET = "Zk3vN0c8yQ1rT5uW7xA2bD4eF6gH9jK0lM3nP5qR8sU"  # noqa: S105 - opens nothing


SETTABLE_STATUSES = [choice for choice in Status.choices if choice[0] != Status.DELETED]


class EmailField(serializers.EmailField):
    """An address in its canonical form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_EMAIL, **kwargs)
        self.validators = []  # canonical_email does all checks

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return canonical_email(data)
        except DjangoValidationError as error:
            raise serializers.ValidationError(error.messages[0], code=error.code) from error


class NameField(StringField):
    # For the schema: two characters or more after trimming, and no control characters.
    pattern = rf"^[^{UNSEEN}]*[^\s{UNSEEN}][^{UNSEEN}]*[^\s{UNSEEN}][^{UNSEEN}]*$"
    example = "Ada Lovelace"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=2, max_length=100, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        refuse_control_characters(name)
        return name


class PasswordField(StringField):
    """A password, without trimming: a space at either end is part of it."""

    example = DEMO_PASSWORD  # so that the examples work for a demo account

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MAX_PASSWORD_INPUT)
        super().__init__(write_only=True, trim_whitespace=False, style={"input_type": "password"}, **kwargs)


class NewPasswordField(PasswordField):
    """A new password. The service checks its rules, because they depend on the user."""

    # For the schema: an upper-case letter and a digit. Outside ASCII, regular expressions of the different languages
    # have no common class for either, so any character is allowed.
    pattern = rf"^[^\x00]*({UPPER}[^\x00]*{DIGIT}|{DIGIT}[^\x00]*{UPPER})[^\x00]*$"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=8, max_length=MAX_PASSWORD, **kwargs)


class CodeField(StringField):
    """A code of the authenticator app, or a recovery code, with or without spaces and hyphens."""

    example = "123456"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(write_only=True, max_length=MAX_CODE, **kwargs)


class UserSerializer(ModelSerializer):
    email = EmailField(read_only=True)
    pendingEmail = EmailField(source="pending_email", read_only=True, allow_null=True)
    emailVerified = serializers.BooleanField(source="email_verified", read_only=True)
    status = serializers.ChoiceField(choices=Status.choices, read_only=True)
    mfaEnabled = serializers.BooleanField(source="mfa_enabled", read_only=True)
    version = VersionField()
    examples: ClassVar = {"name": "Ada Lovelace", "status": "active"}

    class Meta:
        model = User
        fields = (
            *("id", "email", "pendingEmail", "name", "role", "status", "emailVerified"),
            *("mfaEnabled", "version", "createdAt", "updatedAt"),
        )
        read_only_fields = ("id", "name", "role", "createdAt", "updatedAt")


class RegisterSerializer(Serializer):
    email = EmailField()
    password = NewPasswordField()
    name = NameField()


class CreateUserSerializer(RegisterSerializer):
    """A new account. `may_invite` of the context is whether the caller may leave out the password."""

    password = NewPasswordField(
        required=False, help_text="Only admins can leave it out: the person gets an invitation by email."
    )
    role = serializers.ChoiceField(choices=Role.choices, required=False, help_text="Only admins can set it.")
    # Another person than in the example of register, so that both examples work.
    examples: ClassVar = {"email": "grace@example.com", "name": "Grace Hopper"}

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        fields["password"].required = not self.context.get("may_invite", True)
        return fields


class UpdateUserSerializer(Serializer):
    """Changes of a user. `email` is `pendingEmail` until it is verified. Only admins can set `role` and `status`."""

    name = NameField()
    email = EmailField(required=False)
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    status = serializers.ChoiceField(
        choices=SETTABLE_STATUSES,
        required=False,
        help_text="`suspended` ends all sessions at once, and no log-in works until it is `active` again.",
    )
    currentPassword = PasswordField(
        required=False, help_text="Required to change one's own `email`, unless the session is stepped up."
    )
    # Without an address, which may be taken and needs the caller's password.
    example: ClassVar = {"name": "Ada Lovelace"}


class DeleteAccountSerializer(Serializer):
    currentPassword = PasswordField(
        required=False, help_text="Required to delete one's own account, unless the session is stepped up."
    )


class LoginSerializer(Serializer):
    email = StringField(max_length=MAX_EMAIL)
    password = PasswordField()
    code = CodeField(required=False, help_text="Of the second factor, or a recovery code.")
    example: ClassVar = {"email": "ada@example.com", "password": DEMO_PASSWORD}  # of an account without one


class RefreshSerializer(Serializer):
    # Without a maximum: an oversized token is refused with 401, like any other forged token.
    refreshToken = StringField(required=False, help_text="Absent if it is in the cookie.")
    examples: ClassVar = {"refreshToken": EXAMPLE_JWT}


class ForgotPasswordSerializer(Serializer):
    email = EmailField()


class ResetPasswordSerializer(Serializer):
    token = StringField(max_length=200)
    password = NewPasswordField()
    examples: ClassVar = {"token": EXAMPLE_SECRET}


class ChangePasswordSerializer(Serializer):
    currentPassword = PasswordField()
    newPassword = NewPasswordField()


class StepUpSerializer(Serializer):
    """The values of proofs, at least one."""

    example: ClassVar = {"currentPassword": DEMO_PASSWORD}

    def get_fields(self) -> dict[str, Any]:
        return {name: proof.field() for name, proof in step_up.proofs.items()}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs:
            name, field = next(iter(self.fields.items()))
            raise serializers.ValidationError({name: field.error_messages["required"]}, code="required")
        return attrs


step_up.proofs.register(
    "currentPassword", step_up.Proof(partial(PasswordField, required=False), step_up.verify_password)
)


class TokenSerializer(Serializer):
    token = StringField(max_length=200)
    examples: ClassVar = {"token": EXAMPLE_SECRET}


class SessionSerializer(ModelSerializer):
    current = serializers.SerializerMethodField()
    examples: ClassVar = {"userAgent": "Mozilla/5.0 (X11; Linux x86_64)", "ipAddress": "192.0.2.44"}

    class Meta:
        model = Session
        fields = ("id", "userAgent", "ipAddress", "createdAt", "lastUsedAt", "expiresAt", "current")
        read_only_fields = fields

    def get_current(self, session: Session) -> bool:
        return bool(session.pk == self.context["request"].auth.pk)


class TokensSerializer(Serializer):
    """A pair of tokens. `expiresIn` is the lifetime of the access token in seconds."""

    accessToken = serializers.CharField()
    refreshToken = serializers.CharField()
    tokenType = serializers.ChoiceField(choices=["Bearer"])
    expiresIn = serializers.IntegerField(min_value=1)
    examples: ClassVar = {"accessToken": EXAMPLE_JWT, "refreshToken": EXAMPLE_JWT, "expiresIn": 900}

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {
            "accessToken": pair.access,
            "refreshToken": pair.refresh,
            "tokenType": "Bearer",
            "expiresIn": lifetime_seconds(),
        }


@extend_schema_field({"type": "string", "const": "body"})
class InBodyField(serializers.ReadOnlyField):
    """The discriminator of the response with tokens in the body."""


@extend_schema_field({"type": "string", "const": "cookie"})
class InCookieField(serializers.ReadOnlyField):
    """The discriminator of the response with tokens in cookies."""


class TokensResponse(Serializer):
    delivery = InBodyField()
    tokens = TokensSerializer()

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {"delivery": "body", "tokens": TokensSerializer(pair).data}


class LoginResponse(TokensResponse):
    user = UserSerializer()

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {"user": UserSerializer(pair.session.user).data, **super().to_representation(pair)}


class CsrfResponse(Serializer):
    """The CSRF token, for the header `X-CSRFToken`."""

    csrfToken = serializers.CharField()
    examples: ClassVar = {"csrfToken": EXAMPLE_SECRET}


class CookieTokensResponse(Serializer):
    """The response with `delivery=cookie`: the tokens are in cookies. Send `csrfToken` as `X-CSRFToken`."""

    delivery = InCookieField()
    csrfToken = serializers.CharField()
    expiresIn = serializers.IntegerField(min_value=1)
    examples: ClassVar = {"csrfToken": EXAMPLE_SECRET, "expiresIn": 900}

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {
            "delivery": "cookie",
            "csrfToken": csrf_token(pair.session.pk),
            "expiresIn": lifetime_seconds(),
        }


class CookieLoginResponse(CookieTokensResponse):
    user = UserSerializer()

    def to_representation(self, pair: TokenPair) -> dict[str, Any]:
        return {"user": UserSerializer(pair.session.user).data, **super().to_representation(pair)}
