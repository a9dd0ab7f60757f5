from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import unquote
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts.admin.user_actions import ACTIONS
from accounts.admin.user_lists import LockedFilter, SuspendedFilter, VerifiedFilter
from accounts.admin.user_panels import panels_of
from accounts.forms import NewPasswordForm, NewUserForm, UserForm
from accounts.mfa.services.factors import described
from accounts.models import Session, User
from accounts.services import accounts, admins, groups, lockout, passwords, registration
from core.admin.base import BaseAdmin, TrashFilter
from core.admin.lists import as_address
from core.admin.panels import Panel, list_of
from core.admin.row_actions import Button, RowAction


@admin.register(User)
class UserAdmin(BaseAdmin):
    form = UserForm
    list_display = ("email", "name", "role", "verified", "live_sessions", "lock", "state", "created_at")
    list_filter = (TrashFilter, "role", VerifiedFilter, SuspendedFilter, LockedFilter)
    search_fields = ("search_text",)
    search_help_text = _(
        "Parts of the name or the email address, in any case and with or without accents,"
        " or the id of a user or a request."
    )
    ordering = ("-created_at", "-id")
    sortable_by = ("created_at",)
    filter_horizontal = ("groups",)
    row_actions = ACTIONS
    delete_consequence = (
        "All sessions end at once and the address is free again."
        f" The data of the account is erased {settings.TRASH_RETENTION.days} days later."
    )
    new_fields = ("email", "name", "role", "password")
    fields = (
        *("email", "pending_email", "name", "role", "groups"),
        *(
            "state",
            "verified",
            "second_factor",
            "lock",
            "live_sessions",
            "last_login",
            "created_at",
            "updated_at",
            "id",
        ),
    )

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return super().get_fields(request, obj) if obj else self.new_fields

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Return the groups apart, closed: few accounts have any, and their widget is tall."""
        fields = self.get_fields(request, obj)
        if not obj:
            return [(None, {"fields": fields})]
        shown = [name for name in fields if name != "groups"]
        return [(None, {"fields": shown}), (_("Groups"), {"fields": ["groups"], "classes": ["collapse"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Return the fields that are not editable. Only admins may change `groups`, and set the role of a new user;
        an action changes that of another."""
        guarded = () if request.user.is_superuser else ("role", "groups")
        editable = {"name", "groups", "seen_version"} if obj else set(self.new_fields)
        return [name for name in self.get_fields(request, obj) if name not in editable or name in guarded]

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = self.form if obj else NewUserForm
        return super().get_form(request, obj, change, form=form, **kwargs)

    # --- querysets and permissions --------------------------------------------------------------

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        match = request.resolver_match
        if match and match.url_name == "autocomplete":  # a deleted user cannot become an owner
            queryset = queryset.filter(deleted_at=None)
        return super().get_search_results(request, queryset, search_term)

    def exact_conditions(self, term: str) -> Iterator[Q]:
        yield from super().exact_conditions(term)
        address = as_address(term)
        if address is not None:
            yield Q(email=address, deleted_at=None)
            yield Q(email=address, deleted_at__isnull=False)

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset.matching(search_term), False  # type: ignore[attr-defined]

    def prepare_rows(self, rows: list[Any]) -> None:
        locks = lockout.locks(user.email for user in rows)
        live = Session.objects.live().filter(user__in=rows).order_by().values_list("user")
        numbers = dict(live.annotate(number=Count("*")))
        for user in rows:
            user.locks, user.live_session_count = locks, numbers.get(user.pk, 0)

    def get_object(self, *args: Any, **kwargs: Any) -> Any:
        user = super().get_object(*args, **kwargs)
        self.prepare_rows([user] if user else [])
        return user

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not registration.is_closed()

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and self.may_change(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self.may_change(request, obj)

    def may_change(self, request: HttpRequest, user: User | None) -> bool:
        actor: Any = request.user
        return user is None or (user.deleted_at is None and actor.outranks(user))

    def permits(self, request: HttpRequest, action: RowAction, row: Any) -> bool:
        actor: Any = request.user
        return super().permits(request, action, row) and actor.outranks(row)

    def buttons(self, request: HttpRequest, row: Any) -> Iterator[Button]:
        yield from super().buttons(request, row)
        if self.has_change_permission(request, row):
            yield Button(_("Set a new password"), self.address_of(row, "password"))

    def panels(self, request: HttpRequest, row: Any) -> Iterator[Panel]:
        return panels_of(request, self.admin_site, row)

    # --- columns ------------------------------------------------------------------------------

    @admin.display(boolean=True, description="verified")
    def verified(self, user: User) -> bool:
        return user.email_verified

    @admin.display(description="second factor")
    def second_factor(self, user: User) -> str:
        return described(user)

    @admin.display(description="live sessions")
    def live_sessions(self, user: Any) -> SafeString | int:
        if not user.live_session_count:
            return 0
        link = list_of(Session, user__id__exact=user.pk, state="live")
        return format_html('<a href="{}">{}</a>', link, user.live_session_count)

    @admin.display(description="lock")
    def lock(self, user: Any) -> str:
        seconds = user.locks.get(user.email, 0) if user.deleted_at is None else 0
        return f"locked for {-(-seconds // 60)} min" if seconds else "–"

    @admin.display(description="state")
    def state(self, user: User) -> str:
        since = user.deleted_at or user.suspended_at
        return f"{user.status.value} {since:%Y-%m-%d}" if since else user.status.value

    # --- writing ------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        actor: Any = request.user
        values = form.cleaned_data
        if not change:
            given = {name: values[name] for name in self.new_fields if name in values}
            obj.pk = accounts.create_account(**given, actor=actor).pk
            obj.refresh_from_db()
            return
        user = self.newest(User.objects.all(), form)
        changes = {name: values[name] for name in ("name",) if name in form.changed_data}
        accounts.update_account(user=user, actor=actor, changes=changes)
        if "groups" in form.changed_data:
            groups.set_user_groups(user=user, groups=values["groups"], actor=actor)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save nothing: the services have saved the groups."""

    def locked_row(self, key: Any) -> Any:
        user = User.objects.filter(pk=key).first()
        if user is not None:
            admins.lock_admins(user)
        return super().locked_row(key)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        user = self.locked_row(obj.pk)
        accounts.delete_account(user=user, actor=request.user)  # type: ignore[arg-type]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.password_view)
        return [path("<id>/password/", view, name="accounts_user_password"), *super().get_urls()]

    @method_decorator(sensitive_post_parameters())
    def password_view(self, request: HttpRequest, id: str) -> HttpResponse:
        user = self.get_object(request, unquote(id))
        if user is None or not self.has_change_permission(request, user):
            raise PermissionDenied
        form = NewPasswordForm(user, request.POST or None)
        if form.is_valid():
            actor: Any = request.user
            passwords.set_password(user=user, password=form.cleaned_data["new_password1"], actor=actor)
            update_session_auth_hash(request, user)  # an actor who changes the own password stays logged in
            messages.success(request, f"{user} has a new password, and has been logged out everywhere.")
            return redirect("admin:accounts_user_change", user.pk)
        self.record_view(request, user)
        context = {
            **self.admin_site.each_context(request),
            "title": "Set a new password",
            "subtitle": str(user),
            "opts": self.opts,
            "original": user,
            "form": form,
            "adminform": AdminForm(form, [(None, {"fields": list(form.fields)})], {}),  # type: ignore[arg-type]
        }
        return TemplateResponse(request, "admin/set_password.html", context)
