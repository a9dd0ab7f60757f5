"""Demo data: its logins, which `seed` creates and `runserver` prints, and what the apps add."""

from collections.abc import Callable
from typing import Any

from core.web.registry import Registry

DEMO_USER = "user@example.com"
DEMO_ADMIN = "admin@example.com"
DEMO_PASSWORD = "Try-it-0ut-now"  # noqa: S105 - created only while DEBUG is on

Loader = Callable[[Any], None]
loaders: Registry[Loader] = Registry()


def loads(name: str) -> Callable[[Loader], Loader]:
    """Register a function that creates demo data of the demo user, in the `demo` module of an app."""

    def register(loader: Loader) -> Loader:
        return loaders.register(name, loader)

    return register
