from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts.admin.user_lists import LockedFilter, SuspendedFilter, UserChangeList, VerifiedFilter
from accounts.forms import NewPasswordForm, NewUserForm, UserForm
from accounts.models import Session, User
from accounts.services import (
    accounts,
    admins,
    email_changes,
    groups,
    lockout,
    passwords,
    registration,
    sessions,
    suspension,
)
from core.admin.base import BaseAdmin, TrashFilter
from core.web.errors import ApiError


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
    sortable_by = ("email", "name", "role", "created_at")
    filter_horizontal = ("groups",)
    actions = (
        *("end_sessions", "unlock", "resend_verification", "cancel_email_change"),
        *("invite_again", "suspend", "unsuspend"),
    )
    delete_consequence = (
        "All sessions end at once and the address is free again."
        f" The data of the account is erased {settings.TRASH_RETENTION.days} days later."
    )
    new_fields = ("email", "name", "role", "password")
    fields = (
        *("email", "pending_email", "name", "role", "groups", "password_link"),
        *("state", "verified", "lock", "live_sessions", "last_login", "created_at", "updated_at", "id"),
    )

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return super().get_fields(request, obj) if obj else self.new_fields

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Return the fields that are not editable. Only admins may change `role` and `groups`."""
        guarded = () if request.user.is_superuser else ("role", "groups")
        editable = {"name", "role", "groups", "seen_version"} if obj else set(self.new_fields)
        return [name for name in self.get_fields(request, obj) if name not in editable or name in guarded]

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = self.form if obj else NewUserForm
        return super().get_form(request, obj, change, form=form, **kwargs)

    # --- querysets and permissions --------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        live = Session.objects.live().filter(user=OuterRef("pk"))
        count = live.order_by().values("user").annotate(number=Count("*")).values("number")
        return super().get_queryset(request).annotate(live_session_count=Coalesce(Subquery(count), 0))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        match = request.resolver_match
        if match and match.url_name == "autocomplete":  # a deleted user cannot become an owner
            queryset = queryset.filter(deleted_at=None)
        return super().get_search_results(request, queryset, search_term)

    def find_words(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return queryset.matching(search_term), False  # type: ignore[attr-defined]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return UserChangeList

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not registration.is_closed()

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and self.may_change(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self.may_change(request, obj)

    def may_change(self, request: HttpRequest, user: User | None) -> bool:
        actor: Any = request.user
        return user is None or (user.deleted_at is None and actor.outranks(user))

    # --- columns ------------------------------------------------------------------------------

    @admin.display(boolean=True, description="verified")
    def verified(self, user: User) -> bool:
        return user.email_verified

    @admin.display(description="live sessions")
    def live_sessions(self, user: Any) -> SafeString | int:
        if not user.live_session_count:
            return 0
        query = urlencode({"user__id__exact": user.pk, "state": "live"})
        link = f"{reverse('admin:accounts_session_changelist')}?{query}"
        return format_html('<a href="{}">{}</a>', link, user.live_session_count)

    @admin.display(description="lock")
    def lock(self, user: Any) -> str:
        locks = getattr(user, "locks", None)
        if locks is None:  # a single user, not a list
            locks = lockout.locks([user.email])
        seconds = locks.get(user.email, 0) if user.deleted_at is None else 0
        return f"locked for {-(-seconds // 60)} min" if seconds else "–"

    @admin.display(description="state")
    def state(self, user: User) -> str:
        since = user.deleted_at or user.suspended_at
        return f"{user.status.value} {since:%Y-%m-%d}" if since else user.status.value

    @admin.display(description="password")
    def password_link(self, user: User) -> SafeString | str:
        if user.deleted_at is not None:
            return "–"
        link = reverse("admin:accounts_user_password", args=[user.pk])
        return format_html('<a href="{}">Set a new password</a>', link)

    # --- writing ------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        actor: Any = request.user
        values = form.cleaned_data
        if not change:
            given = {name: values[name] for name in self.new_fields if name in values}
            obj.pk = accounts.create_account(**given, actor=actor).pk
            obj.refresh_from_db()
            return
        admins.lock_admins(User.objects.get(pk=obj.pk))  # `obj` has the new role of the form
        user = self.newest(User.objects.all(), form)
        changes = {name: values[name] for name in ("name", "role") if name in form.changed_data}
        accounts.update_account(user=user, actor=actor, changes=changes)
        if "groups" in form.changed_data:
            groups.set_user_groups(user=user, groups=values["groups"], actor=actor)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save nothing: the services have saved the groups."""

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        admins.lock_admins(obj)
        user = User.objects.select_for_update().get(pk=obj.pk)
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

    # --- actions ------------------------------------------------------------------------------

    def for_each_outranked(
        self, request: HttpRequest, chosen: QuerySet[Any], act: Any, done: Any, consequence: Any = ""
    ) -> Any:
        actor: Any = request.user

        def act_if_outranked(user: User) -> bool | None:
            if user.deleted_at is not None:
                return False
            if not actor.outranks(user):
                raise ApiError("FORBIDDEN", message="Only an admin may do this to staff.")
            result: bool | None = act(user=user, actor=actor)
            return result

        return self.on_each(request, chosen, act_if_outranked, done, consequence=consequence)

    @admin.action(description="End sessions", permissions=["change"])
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        def end(*, user: User, actor: User) -> None:
            sessions.end_all_sessions(user=user, actor=actor, reason="ended")

        consequence = _("They are logged out on every device at once, and have to log in again.")
        return self.for_each_outranked(request, queryset, end, _("Logged out everywhere"), consequence)

    @admin.action(description="Unlock", permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return self.for_each_outranked(request, queryset, accounts.unlock, _("Unlocked"))

    @admin.action(description="Resend verification", permissions=["change"])
    def resend_verification(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        done = _("Verification emails enqueued")
        return self.for_each_outranked(request, queryset, email_changes.resend_email_verification, done)

    @admin.action(description=_("Cancel the change of address"), permissions=["change"])
    def cancel_email_change(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        consequence = _("The new address is deleted, and the link sent to it no longer works.")
        cancel, done = email_changes.cancel_email_change, _("Changes cancelled")
        return self.for_each_outranked(request, queryset, cancel, done, consequence)

    @admin.action(description=_("Invite again"), permissions=["change"])
    def invite_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return self.for_each_outranked(
            request, queryset, registration.invite_again, _("Invitations enqueued")
        )

    @admin.action(description=_("Suspend"), permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        consequence = _(
            "They are logged out on every device at once, and cannot log in until they are unsuspended."
        )
        return self.for_each_outranked(request, queryset, suspension.suspend, _("Suspended"), consequence)

    @admin.action(description=_("Unsuspend"), permissions=["change"])
    def unsuspend(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        consequence = _("They can log in again.")
        return self.for_each_outranked(request, queryset, suspension.unsuspend, _("Unsuspended"), consequence)
