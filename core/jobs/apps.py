from importlib import import_module

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "core.jobs"
    label = "core_jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Import the module that registers the kind of file that jobs serve."""
        import_module("core.jobs.downloads")
