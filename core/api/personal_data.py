"""The export of all data of a person, collected from all apps (GDPR, article 15 and 20).

The rows of a person behind a viewset are a section by themselves: `owned_by(user)` of its queryset, those in the trash
too, as its serializer shows them. The `privacy.py` of an app registers sections for other data.
"""

from typing import Any

from django.db import models

from core.api.routers import viewsets
from core.api.row_access import model_of
from core.api.serializers import camel
from core.db.privacy import covered, sections


def export_of(user: Any, request: Any = None) -> dict[str, Any]:
    data = {name: section(user) for name, section in sections.items()}
    for model, view_class in viewsets_of_owned_rows().items():
        name = section_name(model)
        data[name if name not in data else model._meta.label] = rows_of(user, view_class, request)
    return data


def viewsets_of_owned_rows() -> dict[type[models.Model], Any]:
    """Return {model: viewset} of the sections that no app has registered."""
    owned: dict[type[models.Model], Any] = {}
    for view_class in viewsets():
        model = model_of(view_class)
        access = getattr(model, "access", None)
        if model not in covered and (parent_of(model) or (access and access.owner)):
            owned.setdefault(model, view_class)
    return owned


def section_name(model: Any) -> str:
    return camel(str(model._meta.verbose_name_plural).replace(" ", "_"))


def parent_of(model: Any) -> str:
    """Return the foreign key to the row that decides whose the row is, or ""."""
    access = getattr(model, "access", None)
    return str(access.parent if access else getattr(model, "parent", ""))


def rows_of(user: Any, view_class: Any, request: Any) -> list[dict[str, Any]]:
    """Return the user's rows as the viewset lists them, each with its parent and the time of its deletion."""
    view = view_class(request=request, format_kwarg=None, action="list", args=(), kwargs={})
    model = model_of(view_class)
    queryset = model._default_manager if view_class.queryset is None else view_class.queryset
    rows = list(queryset.all().owned_by(user).order_by("pk"))
    added = [f"{parent_of(model)}_id"] if parent_of(model) else []
    added += ["deleted_at"] if hasattr(model, "deleted_at") else []
    return [
        {**shown, **{camel(name): getattr(row, name) for name in added}}
        for row, shown in zip(rows, view.get_serializer(rows, many=True).data, strict=True)
    ]
