"""The sections of the personal-data export that follow from viewsets."""

import pytest
from django.db import models
from rest_framework import serializers

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer, viewset
from config.tests.sample_models import Customer, Project
from core.api import personal_data
from core.db.base import BaseQuerySet

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
