"""The admin's site: its name and its doors (log-in, log-out, own password), under the rules of accounts."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest
from django.urls import reverse

from accounts.forms import LogInForm, OwnPasswordForm
from core import audit
from core.context import identify
from core.logs import log_on_commit


class GroundworkAdminSite(AdminSite):
    site_header = site_title = "Groundwork"
    index_title = "Administration"
    login_form = LogInForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # it deletes rows for good, past the services

    def has_permission(self, request: HttpRequest) -> bool:
        """Name the user of the session in the log; every view of the admin calls this first."""
        if request.user.is_authenticated:
            identify(request.user.pk)
        return super().has_permission(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        response = super().login(request, extra_context)
        if request.method == "POST" and request.user.is_authenticated and response.status_code == 302:
            audit.record("admin.logged_in", actor_id=request.user.pk, target=request.user)
            identify(request.user.pk)
            log_on_commit("logged_in", admin=True)
        return response

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        leaving = request.user
        response = super().logout(request, extra_context)
        if leaving.is_authenticated:
            audit.record("admin.logged_out", actor_id=leaving.pk, target=leaving)
        return response

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        request.current_app = self.name
        view = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done"),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return view(request)
