from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class OutboxConfig(AppConfig):
    name = "core.outbox"
    label = "core_outbox"
    verbose_name = "Outbox"

    def ready(self) -> None:
        """Import the tasks of every app, as a worker does: without a broker the web server runs them."""
        autodiscover_modules("tasks")
