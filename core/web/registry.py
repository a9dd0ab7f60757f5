"""Registry: what rooms and apps contribute to a room below them, by name."""

from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

Item = TypeVar("Item")


class Registry(dict[str, Item]):
    """A dict whose names are registered once.

    The second of two apps that use one name would replace the first, and do its work with other rows.
    """

    def register(self, name: str, item: Item) -> Item:
        """Add an item. Raises ImproperlyConfigured if another has the name."""
        if self.setdefault(name, item) is not item:
            raise ImproperlyConfigured(
                f"{item!r} cannot be registered as {name!r}: {self[name]!r} has this name"
            )
        return item
