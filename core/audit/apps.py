from importlib import import_module

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "core.audit"
    label = "core_audit"
    verbose_name = "Audit log"

    def ready(self) -> None:
        """Import the modules that register a hook of refusals, and triggers."""
        import_module("core.audit.refusals")
        import_module("core.audit.triggers")
