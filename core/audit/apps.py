from importlib import import_module

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class AuditConfig(AppConfig):
    name = "core.audit"
    label = "core_audit"
    verbose_name = "Audit log"

    def ready(self) -> None:
        """Install the triggers after `migrate`."""
        import_module("core.audit.refusals")
        triggers = import_module("core.audit.triggers")
        pre_migrate.connect(triggers.before_migrations, sender=self)
        post_migrate.connect(triggers.after_migrations, sender=self)
