from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.db.access import Access, AccessQuerySet

MAX_SUBJECT = 255  # OpenID Connect Core, 2


class IdentityQuerySet(AccessQuerySet):
    def of_subject(self, issuer: str, subject: str) -> Self:
        return self.filter(issuer=issuer, subject=subject)

    def foreign(self) -> Self:
        """Return the identities whose provider has not verified the address of the account. Somebody else may have
        linked one, with a stolen password."""
        return self.exclude(email_verified=True, email=models.F("user__email"))


class Identity(models.Model):
    """An account at a provider that logs its user in. The provider identifies it by `subject`, never by the address."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="identities")
    provider = models.CharField(max_length=50)
    # With the issuer, so that another provider under the same name opens no accounts of the one before.
    issuer = models.CharField(max_length=500, editable=False)
    subject = models.CharField(max_length=MAX_SUBJECT, editable=False)
    email = models.CharField(max_length=254, blank=True, default="", help_text="As the provider has it")
    email_verified = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)

    access = Access(owner="user", read_all=(), write_all=())
    objects: ClassVar = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "identities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_is_of_one_user"),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "-id"], name="identity_by_user")]

    def __str__(self) -> str:
        return f"{self.provider} of {self.email or 'an unnamed account'}"


class AuthorizationRequest(models.Model):
    """A sign-in that a browser has started: the hash of its `state`, and that of the cookie of the browser.

    The nonce and the code verifier are not stored: they are computed from the cookie, which only that browser has.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    state_hash = models.CharField(max_length=64, editable=False)
    browser_hash = models.CharField(max_length=64, editable=False)
    provider = models.CharField(max_length=50)
    issuer = models.CharField(max_length=500)
    redirect_uri = models.CharField(max_length=500)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["state_hash"], name="authorization_request_state_is_unique"),
        ]
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="auth_request_by_expiry")]

    def __str__(self) -> str:
        return f"{self.provider} at {self.created_at:%Y-%m-%d %H:%M}"

    def claim(self) -> bool:
        """Spend the state. Only one of several parallel calls returns True."""
        now = timezone.now()
        free: Any = AuthorizationRequest.objects.filter(pk=self.pk, used_at=None, expires_at__gt=now)
        return bool(free.update(used_at=now) == 1)
