from importlib import import_module

from django.apps import AppConfig

from core.db.queues import queues


class OutboxConfig(AppConfig):
    name = "core.outbox"
    label = "core_outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        """Add the heartbeats and the outbox to the metrics."""
        import_module("core.outbox.heartbeats")
        queues["outbox"] = self.get_model("OutboxMessage")
