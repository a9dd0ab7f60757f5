"""The system checks of declared access, and the command that prints it."""

from io import StringIO

import pytest
from django.core.management import call_command

from config.tests.sample_models import Card, Invoice, Note
from core.db.access import Access
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


def test_the_command_says_what_is_compiled_and_why_not():
    printed = StringIO()
    call_command("show_access", stdout=printed)
    text = printed.getvalue()

    assert "ResourceViewSet (resources.Resource)\n  access: Access(owner='user'" in text
    assert "  reads: compiled\n" in text
    assert "  reads: plain, because of SessionViewSet.get_queryset\n" in text
