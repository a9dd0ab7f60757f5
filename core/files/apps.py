from importlib import import_module

from django.apps import AppConfig


class FilesConfig(AppConfig):
    name = "core.files"
    label = "core_files"
    verbose_name = "Files"

    def ready(self) -> None:
        """Import the module that registers what is deleted together with a row."""
        import_module("core.files.services")
