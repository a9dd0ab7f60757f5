"""The search in the header of the admin: by id, address or request id, in every list that the user may view."""

from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from core.admin.lists import search_problem
from core.admin.panels import list_of

MAX_ROWS = 10  # of each kind


class Row(NamedTuple):
    row: Any
    address: str
    created_at: Any


class Kind(NamedTuple):
    """The results of one list. `address` is the list with the same search."""

    title: str
    rows: list[Row]
    address: str


def context_for(request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    term = request.GET.get("q", "").strip()
    context: dict[str, Any] = {"title": _("Search"), "term": term, "kinds": [], "lists": []}
    if not term:
        return context
    problem = search_problem(term)
    if problem:
        return {**context, "problem": problem}
    lists = [*visible_lists(request, site)]
    kinds = [kind_of(request, model_admin, term) for model_admin in lists]
    return {
        **context,
        "kinds": [kind for kind in kinds if kind.rows],
        "lists": [kind for kind in kinds if not kind.rows],
    }


def visible_lists(request: HttpRequest, site: AdminSite) -> list[Any]:
    """Return the admins of the lists that the user may view, people first."""
    models = [model for model in apps.get_models() if site.is_registered(model)]
    admins = [site.get_model_admin(model) for model in sorted(models, key=lambda model: model is not User)]
    return [
        model_admin
        for model_admin in admins
        if model_admin.has_view_permission(request) and model_admin.get_search_fields(request)
    ]


def kind_of(request: HttpRequest, model_admin: Any, term: str) -> Kind:
    rows = [
        Row(row, model_admin.address_of(row, "change"), getattr(row, "created_at", None))
        for row in model_admin.find_exactly(request, term, MAX_ROWS)
    ]
    title = str(model_admin.opts.verbose_name_plural).capitalize()
    return Kind(title, rows, list_of(model_admin.model, q=term))
