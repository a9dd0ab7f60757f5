"""Browser sessions of the admin, in the database under a hash of their key."""

import hashlib
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone


def digest(session_key: str | None) -> str:
    """Return the name of the row, 160 bits. The key is random, so a plain hash cannot be guessed."""
    return hashlib.sha256((session_key or "").encode(errors="replace")).hexdigest()[:40]


class SessionStore(DatabaseStore):
    """Django's sessions, with the row named by a hash: the reader of a database dump has no cookie to send."""

    def load(self) -> dict[str, Any]:
        rows = self.model.objects.filter(session_key=digest(self.session_key), expire_date__gt=timezone.now())
        stored = rows.first()
        if stored is None:
            self.flush()  # a key that the browser has chosen never becomes that of a session
            return {}
        return self.decode(stored.session_data)

    def exists(self, session_key: str | None) -> bool:
        return bool(self.model.objects.filter(session_key=digest(session_key)).exists())

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row = super().create_model_instance(data)
        row.session_key = digest(row.session_key)
        return row

    def delete(self, session_key: str | None = None) -> None:
        row = self.model.objects.filter(session_key=digest(session_key or self.session_key)).first()
        if row is not None:  # without one nothing is written: the database may be read-only
            row.delete()
