from typing import Any

from django.contrib.admin.apps import AdminConfig
from django.utils.module_loading import autodiscover_modules

# What an app contributes by the name of a module: handlers of the outbox, purges and other tasks, sections of the
# personal-data export, extensions of the OpenAPI document.
CONTRIBUTIONS = ("emails", "tasks", "privacy", "schema")


class SiteConfig(AdminConfig):
    default_site: Any = "config.admin.Site"

    def ready(self) -> None:
        """Import the modules of every app that register what it contributes."""
        super().ready()
        autodiscover_modules(*CONTRIBUTIONS)
