"""Columns of secrets that core/web/encryption.py has encrypted, and their rotation to the newest key."""

from collections.abc import Iterator

from django.apps import apps
from django.db import models

from core.web.encryption import UnknownKey, reencrypt

BATCH = 1_000


class EncryptedTextField(models.TextField):
    """An encrypted text. Assign what `encrypt` returns, and read it by `decrypt`. `manage.py reencrypt` rotates it."""


def encrypted_fields() -> Iterator[EncryptedTextField]:
    for model in apps.get_models():
        yield from (field for field in model._meta.fields if isinstance(field, EncryptedTextField))


def reencrypt_column(field: EncryptedTextField) -> tuple[int, int]:
    """Encrypt each secret of the column under the first key. Return the number of those, and of those whose key is
    unknown. A secret that is replaced meanwhile is not touched."""
    rows = field.model._base_manager.exclude(**{field.attname: ""}).order_by("pk")
    done, unknown, last = 0, 0, None
    while batch := list(
        (rows.filter(pk__gt=last) if last else rows).values_list("pk", field.attname)[:BATCH]
    ):
        for key, before in batch:
            try:
                after = reencrypt(before)
            except UnknownKey:
                unknown += 1
                continue
            same = field.model._base_manager.filter(**{"pk": key, field.attname: before})
            done += same.update(**{field.attname: after})
        last = batch[-1][0]
    return done, unknown
