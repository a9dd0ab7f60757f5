from importlib import import_module

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "core.backups"
    label = "core_backups"
    verbose_name = "Backups"

    def ready(self) -> None:
        """Import the module that adds the backups to the metrics."""
        import_module("core.backups.collector")
