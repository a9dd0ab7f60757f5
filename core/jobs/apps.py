from importlib import import_module

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "core.jobs"
    label = "core_jobs"
    verbose_name = "Jobs"

    def ready(self) -> None:
        """Import the modules that register checks, tasks and sections of the personal-data export."""
        import_module("core.jobs.downloads")
        import_module("core.jobs.tasks")
        import_module("core.jobs.privacy")
