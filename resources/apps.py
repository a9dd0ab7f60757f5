from importlib import import_module

from django.apps import AppConfig


class ResourcesConfig(AppConfig):
    name = "resources"

    def ready(self) -> None:
        """Let the export know what this app offers it."""
        import_module("resources.privacy")
