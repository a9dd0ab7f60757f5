from django.contrib.auth.hashers import BCryptSHA256PasswordHasher


class BCryptHasher(BCryptSHA256PasswordHasher):
    """The same work for a log-in as ours, so that the frameworks are compared and not the hashes."""

    rounds = 10
