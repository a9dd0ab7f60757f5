"""Services for resources with their tags.

Creating and updating use no savepoint, so an error in them fails the transaction of the caller.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from accounts.models import User
from core.audit import services as audit
from core.db import statements as compiled
from core.db.statements import Statement, insert
from core.web.errors import ApiError
from core.webhooks.events import publishes
from resources.models import MAX_TAGS, Resource, ResourceTag, Tag

publishes("tag.renamed")  # an event that webhooks can subscribe to, next to those of every model
BATCH = 100  # rows that are read, indexed and written at once. Each may have some 100 kB


class TagInUse(ApiError):
    code = "CONFLICT"


class TagNameTaken(ApiError):
    code = "CONFLICT"


def create_resource(*, user: User, tags: list[str], **values: Any) -> Resource:
    resource = Resource(user=user, **values)
    resource.index_words(tags)
    given = [(resource, tags)]
    with transaction.atomic(savepoint=False):
        held = tags_of(given)  # before any insert, so that the inserts follow each other
        resource.insert()
        link_held(given, held)
    return resource


def create_resources(*, user: User, items: Sequence[Mapping[str, Any]]) -> list[Resource]:
    """Create resources with as many statements as for one, and return them in the given order.

    Each item has the validated arguments of `create_resource` (ResourceSerializer, see core.api.mixins.bulk.validated).
    It may have an `id`. Raise IntegrityError if that is taken. A few hundred rows at a time make a short transaction.
    The caller records the audit events.
    """
    given = []
    for item in items:
        values = dict(item)
        tags = values.pop("tags")
        resource = Resource(user=user, **values)
        resource.updated_at = resource.created_at
        resource.index_words(tags)
        given.append((resource, tags))
    with transaction.atomic(savepoint=False):
        Resource.objects.bulk_create([resource for resource, _tags in given])
        link_tags(given)
    return [resource for resource, _tags in given]


def update_resource(*, resource: Resource, tags: list[str] | None = None, **values: Any) -> Resource:
    """Update the given fields. Equal values are no change and no new version. The caller holds the row."""
    change = Change.of(resource, tags, values)
    if not change.columns:
        return resource
    with transaction.atomic(savepoint=False):
        resource.save_changes(*change.columns)
        if change.tags is not None:
            resource.links.all().delete()
            link_tags([(resource, change.tags)])
    return resource


def update_resources(*, changes: Sequence[tuple[Resource, Mapping[str, Any]]]) -> list[Resource]:
    """Update resources with as many statements as for one, and return all in the given order.

    Each resource is in `changes` once, is held by the caller and has its tags (`with_tags`). The values are validated
    as for `create_resources`. Fields without a value do not change.
    """
    moved = []
    for resource, given in changes:
        values = dict(given)
        change = Change.of(resource, values.pop("tags", None), values)
        if change.columns:
            moved.append(change)
    retagged = [(change.resource, change.tags) for change in moved if change.tags is not None]
    with transaction.atomic(savepoint=False):
        columns = {column for change in moved for column in change.columns}
        Resource.objects.all().save_changes([change.resource for change in moved], *sorted(columns))
        if retagged:
            ResourceTag.objects.filter(resource__in=[resource for resource, _tags in retagged]).delete()
            link_tags(retagged)
    return [resource for resource, _values in changes]


@dataclass(frozen=True)
class Change:
    """The changes of one resource, which are set on it and not stored yet."""

    resource: Resource
    columns: tuple[str, ...]
    tags: list[str] | None  # None: no change

    @classmethod
    def of(cls, resource: Resource, tags: list[str] | None, values: Mapping[str, Any]) -> Self:
        changed = [name for name, value in values.items() if getattr(resource, name) != value]
        for name in changed:
            setattr(resource, name, values[name])
        before = resource.tag_list
        after = before if tags is None else tags
        if not changed and after == before:
            return cls(resource, (), None)
        resource.index_words(after)
        return cls(resource, (*changed, "search_text"), None if after == before else after)


def delete_resources(*, resources: Sequence[Resource]) -> None:
    """Move resources to the trash with one statement. The caller holds the rows."""
    Resource.objects.all().soft_delete(resources)


def link_tags(given: Sequence[tuple[Resource, list[str]]]) -> None:
    """Set the tags of resources without tags, in the given order. Missing tags are created for the owners."""
    link_held(given, tags_of(given))


def tags_of(given: Sequence[tuple[Resource, list[str]]]) -> "dict[TagKey, Tag]":
    by_owner: dict[UUID, set[str]] = {}
    for resource, names in given:
        by_owner.setdefault(resource.user_id, set()).update(names)
    return ensure_tags(by_owner)


def link_held(given: Sequence[tuple[Resource, list[str]]], tags: "dict[TagKey, Tag]") -> None:
    if tags:
        links = [
            ResourceTag(resource_id=resource.pk, tag_id=tags[resource.user_id, name].pk, position=position)
            for resource, names in given
            for position, name in enumerate(names)
        ]
        if len(links) <= MAX_TAGS:
            insert(*links)
        else:
            ResourceTag.objects.bulk_create(links)
    for resource, names in given:
        resource.__dict__["tag_names"] = names  # as annotated by `with_tags`


TagKey = tuple[UUID, str]  # owner and name


def ensure_tags(by_owner: Mapping[UUID, Collection[str]]) -> dict[TagKey, Tag]:
    """Return the tags with these names of each owner, and create missing ones. All are locked until the transaction
    ends, so that none is deleted before it is linked.

    Parallel calls for one new name create one row. All lock in the same order, so that a deadlock is very rare
    (core/db/retries.py).
    """
    keys = {(owner, name) for owner, names in by_owner.items() for name in names}
    tags = locked_tags(keys)
    missing = sorted(keys - tags.keys())
    if missing:
        Tag.objects.bulk_create(
            [Tag(user_id=owner, name=name) for owner, name in missing], ignore_conflicts=True
        )
        tags |= locked_tags(missing)
    return tags


def locked_tags(keys: Collection[TagKey]) -> dict[TagKey, Tag]:
    names: dict[UUID, list[str]] = {}
    for owner, name in keys:
        names.setdefault(owner, []).append(name)
    if not names:
        return {}
    if len(names) == 1 and len(keys) <= MAX_TAGS and compiled.applies():
        return locked_tags_of(*names.popitem())
    condition = Q()
    for owner, theirs in names.items():
        condition |= Q(user_id=owner, name__in=theirs)
    rows = Tag.objects.filter(condition).order_by("user_id", "name").select_for_update(no_key=True)
    return {(tag.user_id, tag.name): tag for tag in rows}


def locked_tags_of(owner: UUID, names: list[str]) -> dict[TagKey, Tag]:
    """Return the `locked_tags` of one owner, by a statement that is compiled once for each number of names."""
    rows = locked_tags_statement(len(names)).run(
        {"owner": owner, **{str(n): name for n, name in enumerate(names)}}
    )
    return {(owner, row[1]): Tag.from_db("default", ("id", "name"), row) for row in rows}


@cache
def locked_tags_statement(number: int) -> Statement:
    owner, names = uuid4(), [uuid4().hex for _ in range(number)]
    rows = Tag.objects.filter(user_id=owner, name__in=names).order_by("user_id", "name")
    placeholders = {"owner": owner, **{str(n): name for n, name in enumerate(names)}}
    return compiled.compiled(rows.select_for_update(no_key=True).values_list("id", "name"), placeholders)


def lock_tagged_resources(*, tag_id: UUID, owner_id: UUID) -> list[UUID]:
    """Lock every resource with the tag, and return their keys. Call it before the tag itself is locked, to rename or
    delete it: code that sets the tags of a resource locks the resource first too."""
    tagged = Resource.objects.filter(links__tag=tag_id, user=owner_id).order_by("pk")
    return list(tagged.select_for_update(of=("self",)).values_list("pk", flat=True))


def rename_tag(*, tag: Tag, name: str, actor: User) -> Tag:
    """Rename the tag. Every resource with the tag gets a new version, because it shows its tags. Raise TagNameTaken.

    The caller holds the tag, and has called `lock_tagged_resources` before.
    """
    if name == tag.name:
        return tag
    before = tag.name
    tag.name = name
    try:
        with transaction.atomic():
            tag.save_changes("name")
    except IntegrityError as error:
        raise TagNameTaken(message="You have a tag of this name already.") from error
    rebuild_search_text(lock_tagged_resources(tag_id=tag.pk, owner_id=tag.user_id))
    audit.record("tag.renamed", actor_id=actor.pk, target=tag, changes={"name": [before, name]})
    return tag


def rebuild_search_text(keys: Sequence[UUID]) -> None:
    """Update `search_text` of resources after a change of their tags. The caller holds the rows. They are read again,
    because the statement that waited for the lock returned the former tags."""
    for start in range(0, len(keys), BATCH):
        rows = list(Resource.objects.filter(pk__in=keys[start : start + BATCH]).with_tags())
        for resource in rows:
            resource.index_words(resource.tag_list)
        Resource.objects.all().save_changes(rows, "search_text")


def delete_tag(*, tag: Tag, actor: User) -> None:
    """Delete the tag, and unlink it from resources in the trash. Raise TagInUse if any other resource has it.

    The caller holds the tag, and has called `lock_tagged_resources` before.
    """
    with transaction.atomic():
        if Resource.objects.not_deleted().filter(
            Exists(ResourceTag.objects.filter(resource=OuterRef("pk"), tag=tag))
        ):
            raise TagInUse(message="A resource still has this tag.")
        trashed = lock_tagged_resources(tag_id=tag.pk, owner_id=tag.user_id)
        audit.record("tag.deleted", actor_id=actor.pk, target=tag, changes={"name": [tag.name, None]})
        tag.delete()
        rebuild_search_text(trashed)
