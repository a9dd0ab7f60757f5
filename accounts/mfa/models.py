"""Second factors of users: an authenticator app (TOTP), passkeys (WebAuthn), and recovery codes."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.db.encrypted_fields import EncryptedTextField
from core.web.encryption import decrypt, encrypt


class TotpDevice(models.Model):
    """The secret that a user shares with an authenticator app (RFC 6238). It counts once it is confirmed by a code.

    `last_step` is the time step of the newest accepted code. No code of this or an earlier step is accepted again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="totp_device"
    )
    encrypted_secret = EncryptedTextField(editable=False)
    last_step = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "TOTP device"
        indexes: ClassVar = [
            models.Index(
                fields=["created_at"], condition=models.Q(confirmed_at=None), name="totp_unconfirmed"
            )
        ]

    def __str__(self) -> str:
        return f"authenticator app since {self.created_at:%Y-%m-%d}"

    @property
    def secret(self) -> str:
        return decrypt(self.encrypted_secret)

    @secret.setter
    def secret(self, secret: str) -> None:
        self.encrypted_secret = encrypt(secret)

    def claim_step(self, step: int) -> bool:
        """Accept the code of a time step. Only one of several parallel calls returns True."""
        later = TotpDevice.objects.filter(pk=self.pk, last_step__lt=step)
        return later.update(last_step=step, last_used_at=timezone.now()) == 1


class RecoveryCodeQuerySet(models.QuerySet["RecoveryCode"]):
    def unused(self) -> Self:
        return self.filter(used_at=None)


class RecoveryCode(models.Model):
    """The hash of a code that replaces a lost second factor, once. The codes have 80 random bits."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="recovery_codes"
    )
    code_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = RecoveryCodeQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "code_hash"], name="recovery_code_is_unique_for_its_user")
        ]

    def __str__(self) -> str:
        return f"recovery code of {self.created_at:%Y-%m-%d}"


class Passkey(models.Model):
    """The public key of a passkey (WebAuthn). The authenticator verifies its user by itself, so it is two factors."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=100)
    # In base64url, of at most 1,023 bytes.
    credential_id = models.CharField(max_length=1400, unique=True, editable=False)
    public_key = models.BinaryField(editable=False)
    # Rises with each use, or stays 0 where a passkey is on several devices.
    sign_count = models.BigIntegerField(default=0, editable=False)
    transports = models.JSONField(default=list, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class WebauthnChallenge(models.Model):
    """The hash of a random value that a passkey has to sign, once, within minutes. One to register is of a session."""

    class Purpose(models.TextChoices):
        REGISTER = "register"
        AUTHENTICATE = "authenticate"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    session = models.ForeignKey("accounts.Session", on_delete=models.CASCADE, null=True, related_name="+")
    challenge_hash = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="challenge_by_expiry")]

    def __str__(self) -> str:
        return self.purpose
