"""Plain pages that finish the two email flows where no front end does."""

from django.urls import path

from core.views import Page, allowed

urlpatterns = [
    path(
        "account/reset-password",
        allowed("GET", "HEAD")(Page.as_view(template_name="account/reset_password.html")),
    ),
    path(
        "account/verify-email",
        allowed("GET", "HEAD")(Page.as_view(template_name="account/verify_email.html")),
    ),
]
