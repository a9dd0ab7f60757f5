"""What touches resources and tags together."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from accounts.models import User
from core import audit
from core.errors import ApiError
from resources.models import Resource, ResourceTag, Tag


class TagInUse(ApiError):
    code = "CONFLICT"


class TagNameTaken(ApiError):
    code = "CONFLICT"


def create_resource(*, user: User, tags: list[str], **values: Any) -> Resource:
    resource = Resource(user=user, **values)
    resource.index_words(tags)
    with transaction.atomic():
        resource.save(force_insert=True)
        link_tags(resource, tags)
    return resource


def update_resource(*, resource: Resource, tags: list[str] | None = None, **values: Any) -> Resource:
    """Set what is given. What is equal already is no change: the version stays. The caller holds the row."""
    changed = [name for name, value in values.items() if getattr(resource, name) != value]
    for name in changed:
        setattr(resource, name, values[name])
    before = resource.tag_list
    after = before if tags is None else tags
    if not changed and after == before:
        return resource
    resource.index_words(after)
    with transaction.atomic():
        resource.save_changes(*changed, "search_text")
        if after != before:
            resource.links.all().delete()
            link_tags(resource, after)
    return resource


def link_tags(resource: Resource, names: list[str]) -> None:
    """Give a resource without tags these, in this order; missing ones are created for its owner."""
    if names:
        tags = ensure_tags(resource.user_id, names)
        ResourceTag.objects.bulk_create(
            ResourceTag(resource=resource, tag=tags[name], position=position)
            for position, name in enumerate(names)
        )
    resource.__dict__["tag_names"] = names  # as `with_tags` would have brought them


def ensure_tags(user_id: Any, names: list[str]) -> dict[str, Tag]:
    """The user's tags of these names, held until the transaction ends, so that none is deleted before it is linked.

    Parallel calls for one new name make one row; all take theirs in the same order, so none waits in a circle.
    """
    found = held_tags(user_id, names)
    missing = sorted(name for name in names if name not in found)
    if missing:
        Tag.objects.bulk_create([Tag(user_id=user_id, name=name) for name in missing], ignore_conflicts=True)
        found |= held_tags(user_id, missing)
    return found


def held_tags(user_id: Any, names: list[str]) -> dict[str, Tag]:
    rows = Tag.objects.filter(user_id=user_id, name__in=names).order_by("name").select_for_update(no_key=True)
    return {tag.name: tag for tag in rows}


def rename_tag(*, tag: Tag, name: str, actor: User) -> Tag:
    """Raises TagNameTaken. Every resource that bears the tag moves to a new version, since its tags are visible."""
    if name == tag.name:
        return tag
    before = tag.name
    tag.name = name
    try:
        with transaction.atomic():
            tag.save_changes("name")
    except IntegrityError as error:
        raise TagNameTaken(message="You have a tag of this name already.") from error
    bearing = Resource.objects.filter(links__tag=tag).order_by("pk")
    for resource in bearing.with_tags().select_for_update(of=("self",)):
        resource.index_words(resource.tag_list)
        resource.save_changes("search_text")
    audit.record("tag.renamed", actor_id=actor.pk, target=tag, changes={"name": [before, name]})
    return tag


def delete_tag(*, tag: Tag, actor: User) -> None:
    """Raises TagInUse while a resource bears it. One in the trash does not count, and loses it."""
    with transaction.atomic():
        if Resource.objects.alive().filter(
            Exists(ResourceTag.objects.filter(resource=OuterRef("pk"), tag=tag))
        ):
            raise TagInUse(message="A resource still bears this tag.")
        losing = list(Resource.objects.filter(links__tag=tag).order_by("pk").select_for_update(of=("self",)))
        audit.record("tag.deleted", actor_id=actor.pk, target=tag, changes={"name": [tag.name, None]})
        tag.delete()
        for resource in losing:
            resource.index_words(resource.tag_list)
            resource.save_changes("search_text")
