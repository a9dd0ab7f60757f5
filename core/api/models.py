"""Stored responses to requests with an Idempotency-Key. See core/api/idempotency.py."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class StoredResponse(models.Model):
    """The response to a request with an Idempotency-Key, for a day."""

    name = models.CharField(max_length=64, primary_key=True, help_text="A hash of caller and key")
    fingerprint = models.CharField(max_length=64, help_text="A hash of the request")
    status = models.PositiveSmallIntegerField()
    content = models.BinaryField(
        help_text="Body, headers and cookies, encrypted; the client's key is part of the secret"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["created_at"], name="stored_response_by_age")]

    def __str__(self) -> str:
        return f"{self.status} of {self.created_at:%Y-%m-%d %H:%M:%S}"
