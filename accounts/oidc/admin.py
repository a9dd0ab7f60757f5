from typing import Any, ClassVar

from django.contrib import admin

from accounts.oidc.models import Identity
from core.admin.base import ReadOnlyAdmin
from core.admin.lists import KeyFilter


@admin.register(Identity)
class IdentityAdmin(ReadOnlyAdmin):
    list_display = ("provider", "email", "user", "created_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = (("user", KeyFilter),)
    search_fields = ("user__email",)
    ordering: ClassVar[Any] = ("-id",)
    sortable_by = ()
    fields = ("id", "user", "provider", "issuer", "subject", "email", "created_at", "last_used_at")
