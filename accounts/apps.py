from django.apps import AppConfig
from django.utils.module_loading import import_module


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Let the outbox and the export know what this app offers them."""
        import_module("accounts.emails")
        import_module("accounts.tasks")
        import_module("accounts.privacy")
