from importlib import import_module

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Let the outbox, the export and the schema know what this app offers them."""
        import_module("accounts.emails")
        import_module("accounts.privacy")
        import_module("accounts.schema")
