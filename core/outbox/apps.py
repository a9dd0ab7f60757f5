from importlib import import_module

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    name = "core.outbox"
    label = "core_outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        """Import the module that adds the heartbeats to the metrics."""
        import_module("core.outbox.heartbeats")
