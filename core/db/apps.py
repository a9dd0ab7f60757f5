from importlib import import_module

from django.apps import AppConfig


class DbConfig(AppConfig):
    name = "core.db"
    label = "core_db"
    verbose_name = "Database"

    def ready(self) -> None:
        """Import the modules that register checks, tasks and sections of the personal-data export."""
        import_module("core.db.checks")
