"""The system check of `watched_lists` that have no effect."""

import pytest

from config.tests.reading import serializer, viewset
from config.tests.sample_models import Board, Card, Customer, Invoice, Note, Product, Project
from core.api.checks import check_watched_lists, etag_problems_of
from core.api.mixins.trash import TrashViewSet

LIST = frozenset({"list"})
NOT_BY_OWNER = "is not by an `owner` of the row itself alone"


def of(model, *names, **members):
    return viewset(model, serializer(model, *names), **{"watched_lists": LIST, **members})


WITHOUT_EFFECT = {
    "members": (of(Board, "title"), f"the `access` of Board {NOT_BY_OWNER}"),
    "a parent": (of(Card, "title"), f"the `access` of Card {NOT_BY_OWNER}"),
    "a longer way to the owner": (of(Invoice, "number"), f"the `access` of Invoice {NOT_BY_OWNER}"),
    "public rows": (of(Product, "name"), f"the `access` of Product {NOT_BY_OWNER}"),
    "by hand": (of(Note, "text"), f"the `access` of Note {NOT_BY_OWNER}"),
    "a foreign key": (of(Customer, "user"), "its reads are not compiled, because of "),
    "a method": (
        of(Customer, "name", get_queryset=lambda self: Customer.objects.all()),
        "its reads are not compiled, because of ViewSet.get_queryset",
    ),
    "a serializer of each request": (
        of(Customer, "name", get_serializer_class=lambda self: self.request.user.serializer),
        "its reads are not compiled, because of ViewSet.get_serializer_class",
    ),
    "a sort by another row": (
        of(Customer, "name", sort_fields={"user": "user__name"}),
        "its reads are not compiled, because of ViewSet.sort_fields",
    ),
    "no list": (of(Customer, "name", watched_lists=frozenset({"trash"})), "it has no such list"),
}


@pytest.mark.parametrize("kind", WITHOUT_EFFECT)
def test_a_watched_list_that_never_has_an_etag_is_named_with_the_reason(kind):
    view, reason = WITHOUT_EFFECT[kind]
    (problem,) = etag_problems_of(view)

    assert problem.id == "core.W005"
    assert reason in problem.msg
    assert "ViewSet" in problem.msg


def test_a_model_whose_changes_renew_no_version_is_named(monkeypatch):
    monkeypatch.setattr(Project, "moves_owner_version", False)
    (problem,) = etag_problems_of(of(Project, "code"))

    assert "no change of a Project renews the version of its owner" in problem.msg


def test_the_trash_is_never_watched():
    names = frozenset({"list", "trash"})
    members = {"serializer_class": serializer(Customer, "name"), "watched_lists": names}
    view = type("Bin", (TrashViewSet,), {"queryset": Customer.objects.all(), **members})

    assert [problem.msg.split(":")[0] for problem in etag_problems_of(view)] == [
        "`watched_lists` of Bin has no effect on 'trash'"
    ]


@pytest.mark.usefixtures("sample_tables")
def test_a_list_that_the_check_accepts_has_an_etag(call, ann):
    view = of(Customer, "name", sort_fields={"createdAt": "created_at"})

    assert list(etag_problems_of(view)) == []
    assert "ETag" in call(view, "list", ann)


def test_the_lists_of_this_project_have_one():
    assert check_watched_lists() == []
