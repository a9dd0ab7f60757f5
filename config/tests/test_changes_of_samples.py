"""Models and viewsets that can have a change feed. The others are refused at the start, by name."""

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.test.utils import isolate_apps
from rest_framework.filters import BaseFilterBackend

from config.tests.reading import serializer
from config.tests.sample_models import Board, Card, Customer, Invoice, Note, Product, Project
from core.api.filters import FilterBackend
from core.api.mixins.changes import ChangesViewSet
from core.db.access import Access, AccessQuerySet
from core.db.checks import problems_of


def view(model, **members):
    of = {"queryset": model.objects.all(), "serializer_class": serializer(model, "id")}
    return type("Feed", (ChangesViewSet,), {**of, **members})


class OwnBackend(BaseFilterBackend):
    def filter_queryset(self, request, queryset, view):
        return queryset.filter(name="draft")


with isolate_apps("core.api"):
    meta = {"Meta": type("Meta", (), {"app_label": "core_api"}), "__module__": __name__}
    user = models.ForeignKey(get_user_model(), models.CASCADE, related_name="+")
    columns = {"access": Access(owner="user"), "user": user, "objects": AccessQuerySet.as_manager()}
    Plain = type("Plain", (models.Model,), columns | meta)
    meta["Meta"] = type("Meta", (), {"app_label": "core_api", "proxy": True})
    Proxy = type("Proxy", (Project,), {"keeps_changes": True, **meta})

MODELS = {
    "no BaseModel": (Plain, "of Plain, it is no BaseModel"),
    "a proxy": (Proxy, "of Proxy, it is a proxy, or not managed by migrations"),
    "a longer way to the owner": (Invoice, "not by a foreign key to the owner alone"),
    "members": (Board, "not by a foreign key to the owner alone"),
    "a parent": (Card, "not by a foreign key to the owner alone"),
    "public rows": (Product, "not by a foreign key to the owner alone"),
    "a rule by hand": (Note, "not by a foreign key to the owner alone"),
    "no declaration": (Customer, "Customer does not set `keeps_changes = True`"),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_that_cannot_have_a_feed_is_refused_by_name(kind):
    model, reason = MODELS[kind]
    with pytest.raises(ImproperlyConfigured, match="Feed cannot have a change feed") as refusal:
        view(model)

    assert reason in str(refusal.value)


@pytest.mark.parametrize("model", [Invoice, Board, Card, Product])
def test_a_system_check_refuses_such_a_model(model, monkeypatch):
    monkeypatch.setattr(model, "keeps_changes", True)

    assert [problem.id for problem in problems_of(model) if problem.id == "core.E009"] == ["core.E009"]


def test_a_model_without_owner_versions_is_refused(monkeypatch):
    monkeypatch.setattr(Project, "keeps_changes", True)
    assert problems_of(Project) == []
    monkeypatch.setattr(Project, "moves_owner_version", False)

    assert [problem.id for problem in problems_of(Project)] == ["core.E009"]


@pytest.fixture
def declared(monkeypatch):
    monkeypatch.setattr(Project, "keeps_changes", True)


VIEWS = {
    "a condition": ({"queryset": Project.objects.filter(name="draft")}, "its `queryset` has a condition"),
    "get_queryset": (
        {"get_queryset": lambda self: Project.objects.all()},
        "Feed.get_queryset may leave rows out",
    ),
    "a filter backend": ({"filter_backends": [FilterBackend, OwnBackend]}, "OwnBackend may leave rows out"),
}


@pytest.mark.usefixtures("declared")
@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_that_may_leave_rows_out_is_refused(kind):
    members, reason = VIEWS[kind]
    with pytest.raises(ImproperlyConfigured) as refusal:
        view(Project, **members)

    assert reason in str(refusal.value)


@pytest.mark.usefixtures("declared")
def test_a_route_with_rows_of_its_own_is_refused():
    feed = view(Project)
    feed.as_view({"get": "changes"})
    with pytest.raises(ImproperlyConfigured, match="a route sets `queryset`"):
        feed.as_view({"get": "changes"}, queryset=Project.objects.filter(name="draft"))


def test_a_base_without_a_model_is_not_refused():
    assert issubclass(type("Base", (ChangesViewSet,), {}), ChangesViewSet)


@pytest.mark.usefixtures("declared", "sample_tables")
def test_a_feed_needs_a_log_in_whatever_the_permissions(call):
    open_to_all = view(Project, permission_classes=[])

    assert call(open_to_all, "changes", method="get").status_code == 401
