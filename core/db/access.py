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

from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models import Q

from core.db.query_attributes import QueryAttribute

# For the model, its `parent`, the parent's parent and so on: whether the caller's role covers every row.
Reach = tuple[bool, ...]
ADMINS = frozenset({"admin"})
HOOKS = ("visible_to", "writable_by", "owned_by", "listed_for", "within")


@dataclass(frozen=True, kw_only=True)
class Access:
    """The users who may read and write the rows of a model. Paths are those of Django's lookups, seen from the row.

    - `owner`: path of foreign keys to the user whose row it is, such as "user" or "customer__user"; "pk" on the user
      model itself.
    - `parent`: path of foreign keys, such as "board" or "card__board". Who may read or write its target may read or
      write the row. The target's model declares its own access, or has a `visible_to` by hand.
    - `members`: path over a membership table to its users, such as "team__members".
    - `read_all`, `write_all`: the roles that may read or write every row.
    - `public`: values of own columns that let everybody read a row, also without log-in. An empty mapping: every row.
    - `global_unique`: unique fields and names of unique constraints that hold for the rows of all owners. A 409 then
      discloses that another user has the value.
    """

    owner: str = ""
    parent: str = ""
    members: str = ""
    read_all: Collection[str] = ADMINS
    write_all: Collection[str] = ADMINS
    public: Mapping[str, Any] | None = None
    global_unique: Collection[str] = ()

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
        """True if the foreign key to the owner decides alone, apart from roles."""
        return bool(self.owner_field) and not (self.parent or self.members or self.public is not None)

    @property
    def owner_field(self) -> str:
        """The foreign key to the owner, or "" where the way there is longer."""
        return self.owner if self.owner != "pk" and "__" not in self.owner else ""

    def reach(self, model: type[models.Model], user: Any, *, write: bool = False) -> Reach:
        role = getattr(user, "role", None)
        accesses = map(access_of, levels(model))
        return tuple(role in (each.write_all if write else each.read_all) for each in accesses)

    def clauses(
        self, model: type[models.Model], user: Any, reach: Reach, *, write: bool = False, with_public: bool
    ) -> dict[str, Q]:
        """Return {clause: the rows that it admits}, for this reach and the id of the user."""
        if reach[0]:
            return {"write_all" if write else "read_all": Q()}
        admitted: dict[str, Q] = {}
        user_id = id_of(user)
        if user_id is not None and self.owner:  # without an id, rows that have no owner would match
            admitted["owner"] = Q(**{self.owner: user_id, **not_deleted_along(model, self.owner)})
        if user_id is not None and self.members:
            # One call of filter(): all conditions are about the same row of the membership table.
            member_of = model._base_manager.filter(
                **{self.members: user_id, **not_deleted_along(model, self.members)}
            )
            admitted["members"] = Q(pk__in=member_of.values("pk"))
        if self.parent:
            parents = self.parents(model, user, reach[1:], write=write, with_public=with_public)
            along = not_deleted_along(model, self.parent)
            admitted["parent"] = Q(**{f"{self.parent}__in": parents.values("pk"), **along})
        if self.public is not None and with_public:
            admitted["public"] = self.public_rows()
        return admitted

    def condition(
        self, model: type[models.Model], user: Any, reach: Reach, *, write: bool = False, with_public: bool
    ) -> Q:
        """Return the rows that any of the clauses admits."""
        condition = Q(pk__in=[])
        for clause in self.clauses(model, user, reach, write=write, with_public=with_public).values():
            condition = condition | clause if clause else Q()
        return condition

    def parents(
        self, model: type[models.Model], user: Any, reach: Reach, *, write: bool, with_public: bool
    ) -> models.QuerySet[Any]:
        above = target_of(model, self.parent)
        rows: Any = above._base_manager.all()
        if reach:
            of_caller = access_of(above).condition(above, user, reach, write=write, with_public=with_public)
            rows = rows.filter(of_caller)
        elif is_by_hand(above):
            rows = above._default_manager.all()
            rows = filterable(rows.writable_by(user) if write else rows.visible_to(user))
        else:  # the parents lead back here, which a system check refuses
            rows = rows.none()
        return rows.filter(deleted_at=None) if has_field(above, "deleted_at") else rows

    def public_rows(self) -> Q:
        """Return the condition of a public row: neither it nor its owner is deleted."""
        rows = Q(**(self.public or {}), deleted_at=None)
        by_user = self.owner and self.owner != "pk"
        return rows & Q(**{f"{self.owner}__deleted_at": None}) if by_user else rows

    def has_scope(self, model: type[models.Model]) -> bool:
        """Return whether a role may read more rows than its lists show, and may request these with `scope=all`."""
        return any(access_of(each).read_all for each in levels(model))

    def reads_as_written(self, model: type[models.Model]) -> bool:
        """Return whether every user may write exactly the rows that the user may read."""
        above = levels(model)
        return is_declared_to_the_top(model) and all(
            access.public is None and frozenset(access.read_all) == frozenset(access.write_all)
            for access in map(access_of, above)
        )


def levels(model: Any) -> list[Any]:
    """Return the model, its parent's model, and so on, as far as access is declared; each once."""
    seen: list[Any] = []
    while model is not None and model not in seen and getattr(model, "access", None) is not None:
        seen.append(model)
        model = target_of(model, model.access.parent) if model.access.parent else None
    return seen


def owner_path(model: Any) -> str:
    """Return the path from a row to the user whose it is, by the `owner` of the model or its parents, or ""."""
    access: Access | None = getattr(model, "access", None)
    if access is None or access.owner or not access.parent:
        return access.owner if access else ""
    above = owner_path(target_of(model, access.parent))
    return f"{access.parent}__{above}" if above else ""


def is_declared_to_the_top(model: Any) -> bool:
    """Return whether the conditions of the model and of all its parents follow from declarations."""
    above = levels(model)
    return bool(above) and not above[-1].access.parent


def target_of(model: Any, path: str) -> Any:
    """Return the model that a path of relations leads to."""
    for name in path.split("__"):
        model = model._meta.get_field(name).related_model
    return model


def is_by_hand(model: Any) -> bool:
    """Return whether the queryset of the model has a `visible_to` of its own, and the model no `access`."""
    rule = getattr(type(model._default_manager.all()), "visible_to", None)
    return getattr(model, "access", None) is None and rule not in {None, AccessQuerySet.visible_to}


def filterable(rows: Any) -> Any:
    """Return rows that can be filtered further, which Django does not with those of `union()` and the like."""
    if not rows.query.combinator:
        return rows
    return rows.model._default_manager.filter(pk__in=rows.order_by().values("pk"))


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


def owner_id_of(row: Any) -> UUID | None:
    """Return the id of the user whose row it is, by the `access` of its model and of its parents."""
    access: Access | None = getattr(type(row), "access", None)
    if access is None:
        return getattr(row, "user_id", None)
    if access.owner == "pk":
        return row.pk
    *path, last = (access.owner or access.parent).split("__")
    for name in path:
        row = getattr(row, name, None)
    if row is None or not last:
        return None
    if access.owner:
        return getattr(row, row._meta.get_field(last).attname)
    parent = getattr(row, last)
    return owner_id_of(parent) if parent is not None and type(parent) is not type(row) else None


def reads_as_written(model: Any) -> bool:
    """Return whether every user may write exactly the rows that the user may read: then no query has to test it."""
    queryset_class = type(model._default_manager.all())
    access: Access | None = getattr(model, "access", None)
    if access is not None and is_declared(queryset_class):
        return access.reads_as_written(model)
    return queryset_class.writable_by is AccessQuerySet.writable_by


def may_write(model: Any, user: Any, instances: Collection[Any]) -> bool:
    """Return whether the user may write all of these rows. Call it with the rows locked."""
    keys = {instance.pk for instance in instances}
    rows = filterable(model._default_manager.all().writable_by(user))
    return rows.filter(pk__in=keys).order_by().values("pk").distinct().count() == len(keys)


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

    What a declaration cannot express is written by hand, without `access`: `visible_to(user)`; `writable_by(user)` if
    fewer may be written; `owned_by(user)` for the personal-data export. Such reads are never compiled.
    """

    owner = QueryAttribute()  # the user to whom a condition limits the rows

    def visible_to(self, user: Any) -> Self:
        """Return the rows that this user may read."""
        return self.within(access_of(self.model).reach(self.model, user), user)

    def writable_by(self, user: Any) -> Self:
        """Return the rows that this user may write. A queryset with a `visible_to` of its own allows the same."""
        if not is_declared(type(self)):
            return self.visible_to(user)
        access = access_of(self.model)
        reach = access.reach(self.model, user, write=True)
        return self.filter(access.condition(self.model, user, reach, write=True, with_public=False))

    def owned_by(self, user: Any) -> Self:
        """Return the rows that are this user's by owner, membership or parent, whatever the role."""
        rows = self.of_reach((), user, with_public=False)
        access = access_of(self.model)
        rows.owner = user if access.owner and not access.members and not access.parent else None
        return rows

    def listed_for(self, user: Any, *, everybodys: bool) -> Self:
        """Return the rows of a list: own and public ones, or with `everybodys` all that the user may read."""
        access = getattr(self.model, "access", None)
        if everybodys or access is None or access.owner == "pk":
            return self.visible_to(user)
        return self.within((), user)

    def within(self, reach: Reach, user: Any) -> Self:
        if not any(reach) and all(access_of(each).public is None for each in levels(self.model)):
            return self.owned_by(user)
        return self.of_reach(reach, user, with_public=True)

    def of_reach(self, reach: Reach, user: Any, *, with_public: bool) -> Self:
        """Return the rows within a reach. An empty one covers no rows of others."""
        reach = reach or (False,) * len(levels(self.model))
        access = access_of(self.model)
        return self.filter(access.condition(self.model, user, reach, with_public=with_public))


def is_declared(queryset_class: type) -> bool:
    """Return whether no condition of the class is written by hand."""
    return all(getattr(queryset_class, name, None) is getattr(AccessQuerySet, name) for name in HOOKS)
