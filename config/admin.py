"""The admin site: login, logout and password change by the rules of accounts, and checks for every page."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.exceptions import NotRegistered
from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import PasswordChangeView
from django.contrib.contenttypes.views import shortcut
from django.core import checks
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts.forms import LogInForm, OwnPasswordForm
from config import dashboard, diagnosis, search, second_factor
from core.admin.base import BaseAdmin
from core.audit import services as audit
from core.web.logs import log_on_commit
from core.web.request_context import identify

View = Callable[..., Any]


class Site(AdminSite):
    site_header = site_title = settings.PRODUCT_NAME
    index_title = "Administration"
    login_form = LogInForm

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # it deletes rows permanently, without the services

    def has_permission(self, request: HttpRequest) -> bool:
        """Add the session's user to the log lines; every view of the admin calls this first. A session from before its
        user had a second factor is of no use."""
        if request.user.is_authenticated:
            identify(request.user.pk)
        return super().has_permission(request) and second_factor.is_proven(request)

    def check(self, app_configs: Any) -> list[Any]:
        """Refuse admins that do not inherit BaseAdmin: their lists could be filtered by every column."""
        unsafe = [
            model
            for model in apps.get_models()
            if self.is_registered(model) and not isinstance(self.get_model_admin(model), BaseAdmin)
        ]
        return [
            *super().check(app_configs),
            *(
                checks.Error(
                    f"The admin of {model._meta.label} does not inherit core.admin.base.BaseAdmin.",
                    hint="Unregister it, and register one that does.",
                    obj=type(self.get_model_admin(model)),
                    id="config.E001",
                )
                for model in unsafe
            ),
        ]

    def admin_view(self, view: View, cacheable: bool = False) -> Any:
        open_to_all = view in {self.logout, self.second_factor}
        return super().admin_view(
            without_nul(view if open_to_all else second_factor.after_enrolment(view)), cacheable
        )

    def get_urls(self) -> list[URLPattern | URLResolver]:
        view_on_site = path(
            "r/<path:content_type_id>/<path:object_id>/",
            self.admin_view(self.view_on_site),
            name="view_on_site",
        )
        search = path("search/", self.admin_view(self.search), name="search")
        checks = path("checks/", self.admin_view(self.checks), name="checks")
        enrolment = path("second-factor/", self.admin_view(self.second_factor), name="second_factor")
        return [view_on_site, search, checks, enrolment, *super().get_urls()]

    @method_decorator(sensitive_post_parameters())
    def second_factor(self, request: HttpRequest) -> HttpResponseBase:
        """Add an authenticator app to the own account."""
        context = {**self.each_context(request), "title": _("Second factor"), "is_nav_sidebar_enabled": False}
        return second_factor.page(request, context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {**dashboard.context_for(request), **(extra_context or {})})

    def checks(self, request: HttpRequest) -> HttpResponseBase:
        """Run the checks of `manage.py doctor`, or send a test email to the admin who presses the button."""
        if not request.user.is_superuser:
            raise PermissionDenied
        context = {**self.each_context(request), **diagnosis.context_for(request)}
        return TemplateResponse(request, "admin/checks.html", context)

    def search(self, request: HttpRequest) -> HttpResponseBase:
        """Show the rows of every list that have this id, address or request id."""
        context = {**self.each_context(request), **search.context_for(request, self)}
        return TemplateResponse(request, "admin/search.html", context)

    def view_on_site(self, request: HttpRequest, content_type_id: str, object_id: str) -> HttpResponseBase:
        """Call Django's view, which does not catch the error for an invalid UUID."""
        try:
            return shortcut(request, content_type_id, object_id)
        except ValidationError as error:
            raise Http404 from error

    def autocomplete_view(self, request: HttpRequest) -> Any:
        return DeclaredAutocomplete.as_view(admin_site=self)(request)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        again = request.method == "POST" and request.user.is_authenticated
        response = super().login(request, extra_context)
        if request.method == "POST" and request.user.is_authenticated and response.status_code == 302:
            if again:
                request.session.cycle_key()  # Django retains the key of a user who logs in again
            second_factor.note_log_in(request)
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


class DeclaredAutocomplete(AutocompleteJsonView):
    """Suggestions for the `autocomplete_fields` of an admin, for users who may add or change its rows.

    Django's view takes any relation of any model, and fails on reverse relations.
    """

    def process_request(self, request: HttpRequest) -> Any:
        site: Any = self.admin_site
        try:
            source = apps.get_model(request.GET.get("app_label", ""), request.GET.get("model_name", ""))
            model_admin = site.get_model_admin(source)
        except (LookupError, NotRegistered) as error:
            raise PermissionDenied from error
        may_write = model_admin.has_add_permission(request) or model_admin.has_change_permission(request)
        if not may_write or request.GET.get("field_name") not in model_admin.get_autocomplete_fields(request):
            raise PermissionDenied
        return super().process_request(request)


def without_nul(view: View) -> View:
    """Refuse a NUL in the URL: PostgreSQL does not store it in text."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        texts = [request.path, *(text for name, values in request.GET.lists() for text in (name, *values))]
        if any("\0" in text for text in texts):
            raise BadRequest
        return view(request, *args, **kwargs)

    return checked
