from importlib.util import find_spec

from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from config.local_apps import LOCAL_APPS
from core.api.views import HomePage, Page, allowed
from core.files import views as downloads
from core.openapi.document import schema_view
from core.web import error_codes, errors, health, metrics

read = allowed("GET", "HEAD")

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error

urlpatterns = [
    # The patterns are tried in this order, so the most frequent come first.
    *(path("api/v1/", include(f"{name}.urls")) for name in LOCAL_APPS if find_spec(f"{name}.urls")),
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("accounts.api_keys.urls")),
    path("api/v1/", include("accounts.oidc.urls")),
    path("api/v1/", include("core.jobs.urls")),
    path("api/v1/", include("core.webhooks.urls")),
    path("api/v1/files", read(downloads.file_view), name="file"),
    path("api/v1/schema", read(schema_view), name="schema"),
    path("api/docs", read(Page.as_view(template_name="docs/swagger.html")), name="docs"),
    path("api/redoc", read(Page.as_view(template_name="docs/redoc.html")), name="redoc"),
    path("errors/<str:code>", read(error_codes.page_of_code), name="error"),
    path("health", read(health.live)),
    path("health/live", read(health.live)),
    path("health/ready", read(health.ready)),
    path("metrics", read(metrics.metrics_view)),
    path("admin", read(RedirectView.as_view(pattern_name="admin:index"))),
    path("admin/", admin.site.urls),
    path("", read(HomePage.as_view()), name="home"),
    path("", include("accounts.page_urls")),
    *([path("dev/", include("core.devpages.urls"))] if settings.DEBUG else []),
    # With DEBUG Django would show its own page for an unknown path; the API has one format for errors.
    re_path(r"", errors.not_found),
]
