"""The version of all that one user owns (core/db/owner_versions.py), and its changes (core/db/changes.py)."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

RANDOM_SQLITE = "lower(hex(randomblob(16)))"  # a UUID as Django stores it


class RandomUUID(models.Func):
    """A random UUID of the database, another one for each row."""

    template = "%(function)s()"
    function = "gen_random_uuid"
    output_field = models.UUIDField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template=RANDOM_SQLITE, **context)


class OwnerVersion(models.Model):
    """A random token that triggers replace with the commit of each change, and that is never issued twice."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="owner_version"
    )
    token = models.UUIDField()
    # The place of the latest change in the order of the owner's commits: microseconds since 1970, or one more than
    # the place before if the clock shows less.
    position = models.BigIntegerField(db_default=0)
    # A cursor of a change feed holds it. Another one voids all cursors of the owner.
    epoch = models.UUIDField(db_default=RandomUUID())

    class Meta:
        db_table = "owner_versions"

    def __str__(self) -> str:
        return f"{self.user_id} at {self.token}"


class Change(models.Model):
    """The latest change of one object for one owner: that it is there as it is now, or gone. Written by triggers."""

    # No constraint in the database: the object, which is written in the same transaction, has it.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )
    source = models.CharField(max_length=128)  # the table of the object
    object_id = models.UUIDField()
    position = models.BigIntegerField()
    deleted_at = models.DateTimeField(null=True)  # null: the object is there

    class Meta:
        db_table = "changes"
        indexes: ClassVar = [
            models.Index(fields=["owner", "source", "position", "object_id"], name="change_in_order"),
            models.Index(
                fields=["source", "position"], condition=Q(deleted_at__isnull=False), name="change_deleted"
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "object_id", "owner"], name="object_has_one_change_per_owner"
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.object_id} at {self.position}"
