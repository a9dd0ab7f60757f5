"""Pages for the links in emails, for products without a front end, and for a request of a new password."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import path

from core.api.views import Page, allowed

read = allowed("GET", "HEAD")


def change_password(request: HttpRequest) -> HttpResponseRedirect:
    """Redirect from the URL of password managers (W3C, "A Well-Known URL for Changing Passwords")."""
    return redirect(f"{settings.FRONTEND_URL}/account/forgot-password")


urlpatterns = [
    path("account/forgot-password", read(Page.as_view(template_name="account/forgot_password.html"))),
    path("account/reset-password", read(Page.as_view(template_name="account/reset_password.html"))),
    path("account/verify-email", read(Page.as_view(template_name="account/verify_email.html"))),
    path("account/undo-email-change", read(Page.as_view(template_name="account/undo_email_change.html"))),
    path("account/not-me", read(Page.as_view(template_name="account/not_me.html"))),
    path("account/undelete", read(Page.as_view(template_name="account/undelete.html"))),
    path(".well-known/change-password", read(change_password)),
]
