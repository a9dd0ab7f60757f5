from django.conf import settings
from django.contrib.auth.hashers import BCryptSHA256PasswordHasher


class BCryptHasher(BCryptSHA256PasswordHasher):
    """bcrypt over SHA-256, because bcrypt alone stops at 72 bytes and would make long passwords equal."""

    rounds = settings.BCRYPT_ROUNDS
