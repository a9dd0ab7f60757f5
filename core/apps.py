from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.db.models.signals import post_migrate, pre_migrate


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        """Let the worker and the export know what core itself offers them, and drop what every request would do twice
        or in vain: a connection is looked at when a request begins, and nothing here has a cache to close."""
        request_finished.disconnect(close_old_connections)
        request_finished.disconnect(close_caches)
        if not settings.DEBUG:
            request_started.disconnect(reset_queries)
        append_only = import_module("core.append_only")
        pre_migrate.connect(append_only.before_migrations, sender=self)
        post_migrate.connect(append_only.after_migrations, sender=self)
        import_module("core.tasks")
        import_module("core.privacy")
