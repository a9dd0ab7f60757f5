"""Counts for an email address, known or not: the base of `Lockout` and `Mailbox`."""

from typing import Any, ClassVar

from django.db import models


class AddressQuerySet(models.QuerySet["AddressModel"]):
    def locked(self, hashes: list[str]) -> tuple[Any, list[Any]]:
        """Lock the row of the first hash, created if missing, and the existing rows of the others."""
        matches = self.select_for_update().filter(address_hash__in=hashes).order_by("address_hash")
        rows = {row.address_hash: row for row in matches}
        own: Any = rows.pop(hashes[0], None)
        if own is None:
            own, _ = self.select_for_update().get_or_create(address_hash=hashes[0])
        return own, list(rows.values())


class AddressModel(models.Model):
    """A count for one address, known or not. The key is a hash, so that no address is stored."""

    address_hash = models.CharField(max_length=64, primary_key=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar = AddressQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes: ClassVar = [models.Index(fields=["updated_at"], name="%(class)s_by_update")]
