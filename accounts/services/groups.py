"""Groups with the permissions of staff in the admin."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from accounts.models import User
from accounts.services.recovery import require_admin
from core.audit import services as audit


def save_group(*, group: Group, name: str, permissions: Iterable[Permission], actor: User) -> Group:
    """Create or update the group. Raise ApiError if the actor is not an admin."""
    require_admin(actor)
    is_new = group.pk is None
    before = {} if is_new else contents(Group.objects.get(pk=group.pk))
    with transaction.atomic():
        group.name = name
        group.save()
        group.permissions.set(permissions)
        changes = audit.difference(before, contents(group))
        if changes:
            verb = "created" if is_new else "updated"
            audit.record(f"group.{verb}", actor_id=actor.pk, target=group, changes=changes)
    return group


def delete_group(*, group: Group, actor: User) -> None:
    """Delete the group. Raise ApiError if the actor is not an admin."""
    require_admin(actor)
    with transaction.atomic():
        audit.record("group.deleted", actor_id=actor.pk, target=group, changes={"name": [group.name, None]})
        group.delete()


def set_user_groups(*, user: User, groups: Iterable[Group], actor: User) -> None:
    """Set the groups of a user. The caller holds the row. Raise ApiError if the actor is not an admin."""
    require_admin(actor)
    before = names_of(user)
    with transaction.atomic():
        user.groups.set(groups)
        after = names_of(user)
        if before != after:
            changes = {"groups": [before, after]}
            audit.record("user.groups_changed", actor_id=actor.pk, target=user, changes=changes)


def contents(group: Group) -> dict[str, Any]:
    permissions = group.permissions.order_by("content_type__app_label", "codename")
    codes = [f"{app}.{code}" for app, code in permissions.values_list("content_type__app_label", "codename")]
    return {"name": group.name, "permissions": codes}


def names_of(user: User) -> list[str]:
    return list(user.groups.order_by("name").values_list("name", flat=True))
