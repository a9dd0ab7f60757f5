from importlib import import_module

from django.apps import AppConfig

from core.db.queues import queues


class WebhooksConfig(AppConfig):
    name = "core.webhooks"
    label = "core_webhooks"
    verbose_name = "Webhooks"

    def ready(self) -> None:
        """Follow the audit events, and add the deliveries to the metrics."""
        import_module("core.audit.services").followers.append(
            import_module("core.webhooks.publishing").follow
        )
        queues["webhooks"] = self.get_model("WebhookDelivery")
