from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class DbConfig(AppConfig):
    name = "core.db"
    label = "core_db"
    verbose_name = "Database"

    def ready(self) -> None:
        """Import the modules that register checks, triggers and collectors, and install the triggers after `migrate`.

        Django sends both signals once for each app, before the first migration and after the last: one app suffices.
        """
        import_module("core.db.checks")
        import_module("core.db.migration_checks")
        import_module("core.db.owner_versions")
        import_module("core.db.change_triggers")
        import_module("core.db.queues")  # this and the next two add to the metrics
        import_module("core.db.connections")
        import_module("core.db.circuits")
        import_module("core.db.slow_statements")
        triggers = import_module("core.db.triggers")
        pre_migrate.connect(triggers.before_migrations, sender=self)
        post_migrate.connect(triggers.after_migrations, sender=self)
