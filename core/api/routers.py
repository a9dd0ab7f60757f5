from collections.abc import Mapping
from typing import Any

from django.urls import URLResolver, get_resolver
from rest_framework.routers import SimpleRouter

from core.api.row_access import has_model


class Router(SimpleRouter):
    """Paths without a trailing slash, ids that must be UUIDs, and only the actions that a viewset exposes."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)

    def get_method_map(self, viewset: Any, method_map: Mapping[str, str]) -> dict[str, str]:
        bound = super().get_method_map(viewset, method_map)
        exposed = getattr(viewset, "exposed", None)
        standard = {"list", "create", "retrieve", "update", "partial_update", "destroy"}
        return {
            method: name
            for method, name in bound.items()
            if exposed is None or name not in standard or name in exposed
        }


def viewsets(resolver: URLResolver | None = None) -> list[Any]:
    """Return the classes of all viewsets in the URLconf that have a model, in its order."""
    classes: dict[Any, None] = {}
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            classes |= dict.fromkeys(viewsets(entry))
            continue
        view_class = getattr(entry.callback, "cls", None)
        if hasattr(entry.callback, "actions") and has_model(view_class):
            classes[view_class] = None
    return list(classes)
