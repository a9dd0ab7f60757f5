from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from core.api.scopes import ScopedCredential
from core.db.access import Access, AccessQuerySet


class ApiKeyQuerySet(AccessQuerySet):
    def not_revoked(self) -> Self:
        return self.filter(revoked_at=None)

    def live(self) -> Self:
        return self.not_revoked().filter(expires_at__gt=timezone.now())

    def revoke(self, reason: str) -> int:
        """Revoke the keys and return the number of those that were not revoked before."""
        return self.not_revoked().update(revoked_at=timezone.now(), revoke_reason=reason)


class ApiKey(ScopedCredential, models.Model):
    """A credential of a program that acts for its user within `scopes`. Only the hash of its text is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, help_text="The beginning of the key, by which one recognises it")
    key_hash = models.CharField(max_length=64, editable=False)
    scopes: Any = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.CharField(max_length=30, blank=True, default="")

    access = Access(owner="user", read_all=(), write_all=())
    objects: ClassVar = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["key_hash"], name="api_key_hash_is_unique"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-id"], name="api_key_by_user"),
            models.Index(fields=["expires_at"], name="api_key_by_expiry"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and not self.is_expired
