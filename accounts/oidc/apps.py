from django.apps import AppConfig


class OidcConfig(AppConfig):
    name = "accounts.oidc"
    label = "accounts_oidc"
    verbose_name = "Sign-in with providers"
