"""How often what somebody owns has changed. See core/db/owner_versions.py."""

from django.conf import settings
from django.db import models


class Revision(models.Model):
    """Moved by triggers of the database, with the commit of each change, whoever makes it. No row counts as 0."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="revision"
    )
    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.user_id} at {self.number}"
