"""The version of all that one user owns. See core/db/owner_versions.py."""

from django.conf import settings
from django.db import models


class OwnerVersion(models.Model):
    """A random token that triggers replace with the commit of each change, and that is never issued twice."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="owner_version"
    )
    token = models.UUIDField()

    class Meta:
        db_table = "owner_versions"

    def __str__(self) -> str:
        return f"{self.user_id} at {self.token}"
