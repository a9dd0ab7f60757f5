from importlib import import_module
from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.utils.module_loading import autodiscover_modules

# Modules that register an app's contributions: handlers of the outbox, purges and other tasks, sections of the
# personal-data export, extensions of the OpenAPI document.
CONTRIBUTIONS = ("emails", "tasks", "privacy", "schema")


class SiteConfig(AdminConfig):
    default_site: Any = "config.admin.Site"

    def ready(self) -> None:
        """Import the contributing modules of every app, and the checks that need the routes."""
        super().ready()
        import_module("core.api.checks")
        import_module("core.openapi.checks")
        import_module("core.summaries.checks")
        autodiscover_modules(*CONTRIBUTIONS)
