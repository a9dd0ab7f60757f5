"""The system checks of declared access, and the command that prints it."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import models
from django.test.utils import isolate_apps

from accounts.models import User
from accounts.tests.factories import UserFactory
from config.tests.sample_models import Board, Branch, Card, Club, Comment, Invoice, Note, Reply
from core.db.access import Access
from core.db.base import BaseModel, BaseQuerySet
from core.db.checks import check_access, problems_of


def ids(model):
    return [problem.id for problem in problems_of(model)]


def test_the_models_of_this_project_declare_what_they_must():
    assert check_access() == []


def test_a_declaration_and_a_condition_by_hand_are_one_too_many(monkeypatch):
    monkeypatch.setattr(Note, "access", Access(owner="user"))

    assert ids(Note) == ["core.E001"]


def test_a_condition_by_hand_is_enough():
    assert ids(Note) == []


def test_nothing_at_all_is_too_little(monkeypatch):
    monkeypatch.setattr(Card, "access", None)

    assert ids(Card) == ["core.E002"]


@pytest.mark.parametrize("access", [Access(owner="customr__user"), Access(members="customer__members")])
def test_a_path_that_leads_nowhere_is_named(monkeypatch, access):
    monkeypatch.setattr(Invoice, "access", access)

    assert ids(Invoice) == ["core.E003"]


def test_the_command_lists_compiled_reads_and_why_others_are_not():
    printed = StringIO()
    call_command("show_access", stdout=printed)
    text = printed.getvalue()

    assert "JobViewSet (core_jobs.Job)\n  access: Access(owner='user'" in text
    assert "  reads: plain, because of SessionViewSet.get_queryset\n" in text


def test_a_parent_may_be_a_path_and_may_be_decided_by_hand():
    assert ids(Comment) == ids(Reply) == []


def test_a_tree_is_named_with_its_field():
    (problem,) = problems_of(Branch)

    assert (problem.id, "Branch.above" in problem.msg) == ("core.E006", True)


def test_a_tree_grants_no_access(sample_tables):
    user = UserFactory()
    root = Branch.objects.create()
    Branch.objects.create(above=root)

    assert not Branch.objects.all().visible_to(user).exists()


def test_an_owner_is_reached_by_foreign_keys_only(monkeypatch):
    monkeypatch.setattr(Club, "access", Access(owner="seats__user"))

    assert ids(Club) == ["core.E003"]


def test_a_parent_of_which_nothing_is_known_is_named(monkeypatch):
    monkeypatch.setattr(Board, "access", None)

    assert ids(Comment) == ids(Card) == ["core.E005"]


def test_a_plain_manager_is_named():
    with isolate_apps("core.db"):

        class Plain(BaseModel):
            access = Access()
            objects = models.Manager()

            class Meta:
                app_label = "core_db"

    assert ids(Plain) == ["core.E004"]


@pytest.mark.parametrize(("declared", "expected"), [((), ["core.W001"] * 2), (("slug", "one_code"), [])])
def test_a_unique_is_per_owner_unless_declared_global(declared, expected):
    with isolate_apps("core.db"):

        class Coupon(BaseModel):
            access = Access(owner="user", global_unique=declared)
            slug = models.SlugField(unique=True)
            code = models.CharField(max_length=5)
            user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
            objects = BaseQuerySet.as_manager()

            class Meta:
                app_label = "core_db"
                constraints = (
                    models.UniqueConstraint(fields=["code"], name="one_code"),
                    models.UniqueConstraint(fields=["user", "code"], name="one_code_each"),
                )

    assert ids(Coupon) == expected
