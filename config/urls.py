from django.contrib import admin
from django.urls import include, path, re_path

from core import errors, health, metrics
from core.schema import schema_view
from core.views import Page, allowed

read = allowed("GET", "HEAD")

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error

urlpatterns = [
    path("api/v1/", include("accounts.urls")),
    path("api/v1/", include("resources.urls")),
    path("api/v1/schema", read(schema_view), name="schema"),
    path("api/docs", read(Page.as_view(template_name="docs/swagger.html")), name="docs"),
    path("api/redoc", read(Page.as_view(template_name="docs/redoc.html")), name="redoc"),
    path("health", read(health.live)),
    path("health/live", read(health.live)),
    path("health/ready", read(health.ready)),
    path("metrics", read(metrics.metrics_view)),
    path("admin/", admin.site.urls),
    path("", read(Page.as_view(template_name="home.html")), name="home"),
    path("", include("accounts.page_urls")),
    # Django shows its own pages for an unknown path while DEBUG is on; the contract has one shape for all.
    re_path(r"", errors.not_found),
]
