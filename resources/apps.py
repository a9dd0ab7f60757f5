from importlib import import_module

from django.apps import AppConfig


class ResourcesConfig(AppConfig):
    name = "resources"

    def ready(self) -> None:
        """Let the purge and the export know what this app offers them."""
        import_module("resources.tasks")
        import_module("resources.privacy")
