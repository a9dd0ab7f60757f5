"""The rules of passwords, in the order of their messages. Imported by config/settings.py before Django is ready."""

import os
from typing import Any

from core.web.environment import Environment
from core.web.other_services import breach_service

COMMON = "django.contrib.auth.password_validation.CommonPasswordValidator"
BREACHED = "accounts.breached_passwords.BreachedPasswordValidator"


def password_validators(env: Environment) -> list[dict[str, Any]]:
    """Return AUTH_PASSWORD_VALIDATORS, with the list of COMMON_PASSWORDS_PATH next to Django's own."""
    url = breach_service(env)
    path = env.str("COMMON_PASSWORDS_PATH", "")
    if path and not (os.path.isfile(path) and os.access(path, os.R_OK)):
        env.refuse("COMMON_PASSWORDS_PATH", f"names no file that can be read: {path}")
        path = ""
    return [
        {"NAME": "accounts.validators.LengthValidator"},
        {"NAME": "accounts.validators.CharacterClassValidator"},
        {"NAME": COMMON},
        *([{"NAME": COMMON, "OPTIONS": {"password_list_path": path}}] if path else []),
        {"NAME": "accounts.validators.PersonalDataValidator"},
        {"NAME": "accounts.validators.ProductNameValidator"},
        *([{"NAME": BREACHED, "OPTIONS": {"url": url}}] if url else []),
    ]
