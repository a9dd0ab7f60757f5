from django.apps import AppConfig


class ApiKeysConfig(AppConfig):
    name = "accounts.api_keys"
    label = "accounts_api_keys"
    verbose_name = "API keys"
