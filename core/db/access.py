"""Declared access: which rows a user may read and write, stated on the model.

    class Invoice(BaseModel):
        access = Access(owner="customer__user", read_all={"admin", "staff"}, write_all={"admin"})

`visible_to(user)`, `writable_by(user)` and `owned_by(user)` of its querysets follow from the declaration, everywhere:
in views, attachments, bulk operations, exports, imports and jobs. Because the framework writes these conditions, it
knows all that they depend on: the caller's id, and the caller's reach, which follows from the role on each request.
Only such queries are compiled (core/api/fast_reads.py).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import models
from django.db.models import Q

# Whether the caller's role covers every row of the model, then of its `parent`, of the parent's parent, and so on.
Reach = tuple[bool, ...]
ADMINS = frozenset({"admin"})


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may read and write which rows of a model. Paths are those of Django's lookups, seen from the row.

    - `owner`: path to the user whose row it is, such as "user" or "customer__user"; "pk" on the user model itself.
    - `parent`: a foreign key. Who may read or write its target may read or write the row.
    - `members`: path over a membership table to its users, such as "team__members".
    - `read_all`, `write_all`: the roles that may read or write every row.
    - `public`: values of own columns that let everybody read a row, also without log-in. An empty mapping: every row.
    """

    owner: str = ""
    parent: str = ""
    members: str = ""
    read_all: Collection[str] = ADMINS
    write_all: Collection[str] = ADMINS
    public: Mapping[str, Any] | None = None

    @property
    def named_paths(self) -> list[tuple[str, str]]:
        named = [("owner", self.owner), ("parent", self.parent), ("members", self.members)]
        return [(name, path) for name, path in named if path]

    @property
    def paths(self) -> frozenset[str]:
        """The model's own fields that decide whose row it is."""
        return frozenset(path.partition("__")[0] for _name, path in self.named_paths)

    @property
    def is_by_owner_only(self) -> bool:
        """Whether the owner's own foreign key decides alone, roles aside."""
        return bool(self.owner) and not (
            "__" in self.owner or self.parent or self.members or self.public is not None
        )

    def owner_field(self, model: type[models.Model]) -> str:
        """The foreign key to the owner, or "" where the way there is longer."""
        return self.owner if self.owner and self.owner != "pk" and "__" not in self.owner else ""

    def reach(self, model: type[models.Model], user: Any, *, write: bool = False) -> Reach:
        roles = self.write_all if write else self.read_all
        above = self.parent_model(model)
        return (
            getattr(user, "role", None) in roles,
            *(access_of(above).reach(above, user, write=write) if above else ()),
        )

    def own(self, model: type[models.Model]) -> Reach:
        """The reach of somebody whose role covers nothing."""
        above = self.parent_model(model)
        return (False, *(access_of(above).own(above) if above else ()))

    def parent_model(self, model: type[models.Model]) -> Any:
        return model._meta.get_field(self.parent).related_model if self.parent else None

    def condition(
        self, model: type[models.Model], user_id: UUID | None, reach: Reach, *, with_public: bool
    ) -> Q:
        """The rows that this reach and user id include. `user_id` is None for a caller who has not logged in."""
        if reach[0]:
            return Q()
        condition = Q(pk__in=[])
        if user_id is not None:  # or rows without an owner would be theirs
            if self.owner:
                condition |= Q(**{self.owner: user_id, **not_deleted_along(model, self.owner)})
            if self.members:
                # One call of filter(): all conditions are about the same row of the membership table.
                member_of = model._base_manager.filter(
                    **{self.members: user_id, **not_deleted_along(model, self.members)}
                )
                condition |= Q(pk__in=member_of.values("pk"))
        above = self.parent_model(model)
        if above:
            parents = access_of(above).condition(above, user_id, reach[1:], with_public=with_public)
            if has_field(above, "deleted_at"):
                parents &= Q(deleted_at=None)
            condition |= Q(**{f"{self.parent}__in": above._base_manager.filter(parents).values("pk")})
        if self.public is not None and with_public:
            condition |= self.public_rows()
        return condition

    def public_rows(self) -> Q:
        """Deleted rows are not public, nor are those of a deleted owner."""
        rows = Q(**(self.public or {}), deleted_at=None)
        return rows & Q(**{f"{self.owner}__deleted_at": None}) if self.owner else rows

    def has_scope(self, model: type[models.Model]) -> bool:
        """Whether somebody may read more rows than their lists show, and may ask for these with `scope=all`."""
        above = self.parent_model(model)
        return bool(self.read_all) or (above is not None and access_of(above).has_scope(above))

    def reads_as_written(self, model: type[models.Model]) -> bool:
        """Whether everybody may write exactly the rows that they may read."""
        above = self.parent_model(model)
        return (
            self.public is None
            and frozenset(self.read_all) == frozenset(self.write_all)
            and (above is None or access_of(above).reads_as_written(above))
        )


def not_deleted_along(model: type[models.Model], path: str) -> dict[str, None]:
    """Return the conditions that no row on the way to the user has been deleted, such as a membership or a team."""
    conditions: dict[str, None] = {}
    names = path.split("__")
    here: Any = model
    for depth, name in enumerate(names[:-1], start=1):
        here = here._meta.get_field(name).related_model
        if has_field(here, "deleted_at"):
            conditions["__".join((*names[:depth], "deleted_at"))] = None
    return conditions


def has_field(model: Any, name: str) -> bool:
    return any(field.name == name for field in model._meta.get_fields())


def owner_of(row: Any) -> Any:
    """Return the user whose row it is by the `owner` of its model's access, or None."""
    access: Access | None = getattr(type(row), "access", None)
    if access is None or not access.owner or access.owner == "pk":
        return None
    for name in access.owner.split("__"):
        row = getattr(row, name)
    return row


def check_writable(model: Any, user: Any, instances: Collection[Any]) -> None:
    """Refuse rows that the user may read, but not write; where both are the same, no query is needed.

    Call it with the rows locked. Raises PermissionDenied.
    """
    queryset_class = type(model.objects.all())
    access: Access | None = getattr(model, "access", None)
    if access is not None and is_declared(queryset_class):
        same = access.reads_as_written(model)
    else:
        same = queryset_class.writable_by is AccessQuerySet.writable_by
    if not same:
        refuse_unwritable(model, user, instances)


def refuse_unwritable(model: Any, user: Any, instances: Collection[Any]) -> None:
    keys = {instance.pk for instance in instances}
    if model.objects.all().writable_by(user).filter(pk__in=keys).count() < len(keys):
        raise PermissionDenied


def access_of(model: type[models.Model]) -> Access:
    access: Access | None = getattr(model, "access", None)
    if access is None:
        raise ImproperlyConfigured(
            f"{model._meta.label} has no `access`, and its queryset no `visible_to` of its own"
        )
    return access


def id_of(user: Any) -> UUID | None:
    return user.pk if user is not None and user.is_authenticated else None


class AccessQuerySet(models.QuerySet[Any]):
    """A queryset whose conditions follow from the `access` of its model.

    What a declaration cannot express is written by hand: a model without `access`, whose queryset has its own
    `visible_to(user)` and, if fewer rows may be written than read, `writable_by(user)`. Its reads are never compiled.
    """

    owner: Any = None  # the user whose rows these are, where a condition has said so

    def _clone(self) -> Self:
        clone: Any = super()._clone()  # type: ignore[misc]
        clone.owner = self.owner
        return clone

    def visible_to(self, user: Any) -> Self:
        """The rows that this user may read."""
        return self.within(access_of(self.model).reach(self.model, user), user)

    def writable_by(self, user: Any) -> Self:
        """The rows that this user may write. A queryset with a `visible_to` of its own allows the same."""
        if not is_declared(type(self)):
            return self.visible_to(user)
        access = access_of(self.model)
        reach = access.reach(self.model, user, write=True)
        return self.filter(access.condition(self.model, id_of(user), reach, with_public=False))

    def owned_by(self, user: Any) -> Self:
        """The rows that are this user's by owner, membership or parent, whatever the role."""
        access = access_of(self.model)
        own = access.own(self.model)
        rows = self.filter(access.condition(self.model, id_of(user), own, with_public=False))
        rows.owner = user if access.owner and not access.members and not access.parent else None
        return rows

    def listed_for(self, user: Any, *, everybodys: bool) -> Self:
        """The rows of a list: own and public ones, or with `everybodys` all that the user may read."""
        access = getattr(self.model, "access", None)
        if everybodys or access is None or access.owner == "pk":
            return self.visible_to(user)
        if access.public is None:
            return self.owned_by(user)
        return self.filter(
            access.condition(self.model, id_of(user), access.own(self.model), with_public=True)
        )

    def within(self, reach: Any, user: Any) -> Self:
        access = access_of(self.model)
        if not any(reach) and access.public is None:
            return self.owned_by(user)
        return self.filter(access.condition(self.model, id_of(user), reach, with_public=True))


def is_declared(queryset_class: type) -> bool:
    """Whether nobody has written one of its conditions by hand."""
    return all(
        getattr(queryset_class, name, None) is getattr(AccessQuerySet, name)
        for name in ("visible_to", "writable_by", "owned_by", "listed_for", "within")
    )
