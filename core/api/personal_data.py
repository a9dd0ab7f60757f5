"""The export of all data of a person, collected from all apps (GDPR, article 15 and 20).

The rows of a person behind a viewset are a section by themselves: those whose `owner` is the person, by the declaration
of the model or of its parents, or all that an `owned_by` by hand returns; whatever the queryset of the viewset leaves
out, those in the trash too, as its serializer shows them. Rows that the person shares as a member are no section: other
people are in them. Of several viewsets of one
model it is the first in the URLconf whose queryset has no condition, else the first. The `privacy.py` of an app
registers sections for other data, or in another form.
"""

from typing import Any

from django.db import models

from core.api.read_eligibility import has_condition
from core.api.routers import viewsets
from core.api.row_access import model_of
from core.api.serializers import camel
from core.db.access import AccessQuerySet, owner_path
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
        if model not in covered and (owner_path_of(model) or is_owned_by_hand(deciding(model))):
            first = owned.setdefault(model, view_class)
            if leaves_rows_out(first) and not leaves_rows_out(view_class):
                owned[model] = view_class
    return owned


def leaves_rows_out(view_class: Any) -> bool:
    return view_class.queryset is None or has_condition(view_class.queryset)


def section_name(model: Any) -> str:
    return camel(str(model._meta.verbose_name_plural).replace(" ", "_"))


def deciding(model: Any) -> Any:
    """Return the model that decides whose a row is: for attachments, that of what they are attached to."""
    parent = getattr(model, "parent", "")
    return model._meta.get_field(parent).related_model if parent else model


def owner_path_of(model: Any) -> str:
    """Return the path from a row to its owner, for attachments by what they are attached to, or ""."""
    path = owner_path(deciding(model))
    parent = getattr(model, "parent", "")
    return f"{parent}__{path}" if parent and path else path


def is_owned_by_hand(model: Any) -> bool:
    owned_by = getattr(type(model._default_manager.all()), "owned_by", None)
    return owned_by not in {None, AccessQuerySet.owned_by}


def parent_of(model: Any) -> str:
    """Return the foreign key to the row that decides whose the row is, or ""."""
    access = getattr(model, "access", None)
    return str(access.parent if access else getattr(model, "parent", ""))


def rows_of(user: Any, view_class: Any, request: Any) -> list[dict[str, Any]]:
    """Return the user's rows as the viewset lists them, each with its parent and the time of its deletion."""
    view = view_class(request=request, format_kwarg=None, action="list", args=(), kwargs={})
    model = model_of(view_class)
    every_row = type(model._default_manager.all())(model)  # the manager may leave rows out too
    # That of the viewset has the annotations that the serializer shows.
    queryset = every_row if leaves_rows_out(view_class) else view_class.queryset
    added = [f"{parent_of(model)}_id"] if parent_of(model) else []
    added += ["deleted_at"] if hasattr(model, "deleted_at") else []
    serializer = view.get_serializer()  # and none of a list, which may leave rows out
    path = owner_path_of(model)
    rows = queryset.owned_by(user).filter(**({path: user} if path else {})).order_by("pk")
    return [
        {**serializer.to_representation(row), **{camel(name): getattr(row, name) for name in added}}
        for row in rows
    ]
