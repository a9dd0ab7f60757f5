from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        """Import the modules that register system checks, tasks and sections of the export."""
        append_only = import_module("core.append_only")
        pre_migrate.connect(append_only.before_migrations, sender=self)
        post_migrate.connect(append_only.after_migrations, sender=self)
        import_module("core.checks")
        import_module("core.tasks")
        import_module("core.privacy")
