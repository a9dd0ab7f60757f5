from importlib import import_module

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        """Let the worker and the export know what core itself offers them."""
        import_module("core.tasks")
        import_module("core.privacy")
