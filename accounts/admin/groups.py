from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest

from accounts.services import groups
from core.admin.base import BaseAdmin

admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(BaseAdmin, DjangoGroupAdmin):
    """Groups, which only admins may change, because staff could give themselves any permission."""

    delete_consequence = "Its members lose its permissions."

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return request.user.is_superuser

    has_add_permission = has_delete_permission = has_change_permission

    def save_model(self, request: HttpRequest, obj: Group, form: Any, change: bool) -> None:
        actor: Any = request.user
        values = form.cleaned_data
        groups.save_group(group=obj, name=values["name"], permissions=values["permissions"], actor=actor)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save nothing: the service has saved the permissions."""

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        actor: Any = request.user
        groups.delete_group(group=obj, actor=actor)
