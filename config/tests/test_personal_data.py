"""The sections of the personal-data export that follow from viewsets."""

import pytest
from django.db import models
from django.test.utils import isolate_apps
from rest_framework import serializers

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer, viewset
from config.tests.sample_models import Board, Customer, Membership, Note, NoteQuerySet, Project, Team
from core.api import personal_data
from core.db.base import BaseQuerySet
from core.files.models import BaseAttachment

pytestmark = pytest.mark.usefixtures("sample_tables")

PROJECT = serializer(Project, "name")


@pytest.fixture
def ann():
    return UserFactory()


@pytest.fixture
def projects(ann):
    return [Project.objects.create(name=name, user=ann) for name in ("One", "Two")]


CONDITIONS = {
    "filter": lambda rows: rows.filter(name="One"),
    "slice": lambda rows: rows[:1],
    "union": lambda rows: rows.filter(name="One").union(rows.filter(name="1")),
}


@pytest.mark.parametrize("kind", CONDITIONS)
def test_a_section_holds_rows_that_the_viewset_leaves_out(ann, projects, kind):
    view = viewset(Project, PROJECT, queryset=CONDITIONS[kind](Project.objects.all()))

    assert [row["name"] for row in personal_data.rows_of(ann, view, None)] == ["One", "Two"]


def test_a_section_holds_rows_that_the_default_manager_leaves_out(ann, projects, monkeypatch):
    class Named(models.Manager.from_queryset(BaseQuerySet)):
        def get_queryset(self):
            return super().get_queryset().filter(name="One")

    manager = Named()
    manager.model = Project
    monkeypatch.setattr(Project._meta, "default_manager", manager)
    view = viewset(Project, PROJECT, queryset=manager.all())

    assert [row["name"] for row in personal_data.rows_of(ann, view, None)] == ["One", "Two"]


class FirstOnly(serializers.ListSerializer):
    def to_representation(self, rows):
        return super().to_representation(rows[:1])


def test_a_section_holds_rows_that_the_serializer_of_lists_leaves_out(ann, projects):
    shortened = serializer(Project, "name")
    shortened.Meta.list_serializer_class = FirstOnly
    view = viewset(Project, shortened)

    assert [row["name"] for row in personal_data.rows_of(ann, view, None)] == ["One", "Two"]


def test_of_two_viewsets_the_one_without_a_condition_decides(ann, projects, serve):
    filtered = viewset(Project, serializer(Project, "name"), queryset=Project.objects.filter(name="One"))
    plain = viewset(Project, serializer(Project, "code"))
    serve(filtered, plain, viewset(Project, PROJECT), viewset(Customer, serializer(Customer, "name")))

    assert personal_data.viewsets_of_owned_rows()[Project] is plain


def test_rows_that_a_person_shares_as_a_member_are_not_theirs(ann, serve):
    """Others are in them: only the team's owner has them, and a board without an owner nobody."""
    ben = UserFactory()
    team = Team.objects.create(name="Team", lead=ann)
    for user in (ann, ben):
        Membership.objects.create(team=team, user=user)
    Board.objects.create(title="Plans", team=team)
    serve(
        viewset(Team, serializer(Team, "name")),
        viewset(Membership, serializer(Membership, "user")),
        viewset(Board, serializer(Board, "title")),
    )
    views = personal_data.viewsets_of_owned_rows()
    of_ann, of_ben = (
        {model: personal_data.rows_of(user, views[model], None) for model in (Team, Membership)}
        for user in (ann, ben)
    )

    assert ([row["name"] for row in of_ann[Team]], len(of_ann[Membership])) == (["Team"], 2)
    assert of_ben == {Team: [], Membership: []}
    assert Board not in views


def test_what_hangs_on_a_model_by_hand_is_a_section_if_that_says_whose_it_is(ann, serve, monkeypatch):
    with isolate_apps("core.db"):
        meta = type("Meta", (), {"app_label": "core_db"})
        members = {"parent": "note", "Meta": meta, "__module__": __name__}
        Paper = type(
            "Paper", (BaseAttachment,), members | {"note": models.ForeignKey(Note, models.CASCADE, "+")}
        )
    serve(viewset(Paper, serializer(Paper, "width"), queryset=Paper.objects.all()))
    assert Paper not in personal_data.viewsets_of_owned_rows()
    personal_data.export_of(ann)

    monkeypatch.setattr(NoteQuerySet, "owned_by", lambda rows, user: rows.filter(user=user), raising=False)
    assert Paper in personal_data.viewsets_of_owned_rows()
