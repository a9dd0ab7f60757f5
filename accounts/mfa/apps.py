from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class MfaConfig(AppConfig):
    name = "accounts.mfa"
    label = "accounts_mfa"
    verbose_name = "Second factors"

    def ready(self) -> None:
        """Refuse a role that does not exist: a mistyped one would require nothing of anybody."""
        known = import_module("accounts.models").Role.values
        for role in settings.MFA_REQUIRED_FOR:
            if role not in known:
                raise ImproperlyConfigured(
                    f"MFA_REQUIRED_FOR names {role!r}, which is no role: {', '.join(known)}."
                )
