from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from core.db.encrypted_fields import encrypted_fields, reencrypt_column


class Command(BaseCommand):
    """The last step before an old key is removed. It is safe to run twice, and while the product runs."""

    help = "Encrypt the secrets of the database under the first of ENCRYPTION_KEYS, or else under SECRET_KEY."
    requires_migrations_checks = True

    def handle(self, **_options: Any) -> None:
        lost = 0
        for field in encrypted_fields():
            done, unknown = reencrypt_column(field)
            lost += unknown
            self.stdout.write(
                _("%(field)s: %(done)d encrypted under the first key, %(unknown)d under an unknown key.")
                % {"field": field, "done": done, "unknown": unknown}
            )
        if lost:
            raise CommandError(
                _(
                    "%(lost)d secrets are under an unknown key: add it to SECRET_KEY_FALLBACKS or ENCRYPTION_KEYS."
                )
                % {"lost": lost}
            )
