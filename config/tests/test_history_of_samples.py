"""The history of an object shows nothing that the caller is not shown otherwise."""

import json
from uuid import uuid4

import pytest
from django.db import models
from django.http import Http404
from django.test.utils import isolate_apps
from rest_framework import serializers

from accounts.tests.factories import UserFactory
from config.tests.reading import serializer
from config.tests.sample_models import Board, Membership, Project, Team
from core.api.mixins.bulk import BulkViewSet
from core.api.mixins.history import HistoryViewSet
from core.api.mixins.trash import TrashViewSet
from core.api.serializers import ModelSerializer
from core.audit import services as audit

pytestmark = pytest.mark.usefixtures("sample_tables")

with isolate_apps("core.api"):
    meta = type("Meta", (), {"app_label": "core_api"})
    key = models.UUIDField(primary_key=True)
    OtherProject = type("Project", (models.Model,), {"id": key, "Meta": meta, "__module__": __name__})


class Everything(BulkViewSet, HistoryViewSet, TrashViewSet):
    queryset = Project.objects.all()
    serializer_class = serializer(Project, "name", "code")


@pytest.fixture
def project(ann):
    return Project.objects.create(name="One", user=ann)


@pytest.fixture
def history(call):
    def of(view, user, row):
        response = call(view, "history", user, method="get", pk=row.pk)
        assert response.status_code == 200, response.content
        return json.loads(response.content)["data"]

    return of


def view(**members):
    return type("View", (Everything,), members)


# --- whose events ---------------------------------------------------------------------------------


def test_what_happened_to_a_model_of_the_same_name_is_not_shown(history, ann, project):
    audit.record("project.updated", target=OtherProject(project.pk), changes={"name": ["secret", "words"]})

    assert history(Everything, ann, project) == []


def test_what_happened_to_an_earlier_row_of_this_id_is_not_shown(call, history, ann):
    old = Project(pk=uuid4(), name="Old", user=UserFactory())
    audit.record("project.deleted", target=old)
    row = Project.objects.create(pk=old.pk, name="New", user=ann)
    audit.record("project.created", actor_id=ann.pk, target=row)

    assert [entry["event"] for entry in history(Everything, ann, row)] == ["project.created"]


def test_a_row_made_by_bulk_has_its_first_event(call, history, ann):
    operations = [{"method": "create", "data": {"name": "New"}}]
    assert call(Everything, "bulk", ann, data={"operations": operations}).status_code == 200

    assert [entry["event"] for entry in history(Everything, ann, Project.objects.get())] == [
        "project.created"
    ]


# --- which fields ---------------------------------------------------------------------------------

NAME_ONLY = serializer(Project, "name")


def fields_by_role(self):
    fields = ModelSerializer.get_fields(self)
    if self.context["request"].user.role == "user":
        del fields["code"]
    return fields


BY_ROLE = serializer(Project, "name", "code", members={"get_fields": fields_by_role})
WRITE_ONLY = serializer(
    Project, "name", fields=[("code", serializers.CharField(write_only=True, required=False))]
)
HIDING = {
    "get_serializer_class": {
        "get_serializer_class": lambda self: (
            NAME_ONLY if self.request.user.role == "user" else Everything.serializer_class
        )
    },
    "get_fields": {"serializer_class": BY_ROLE},
    "write_only": {"serializer_class": WRITE_ONLY},
}


@pytest.mark.parametrize("how", HIDING)
def test_changes_of_hidden_fields_are_not_shown(history, ann, project, how):
    audit.record("project.updated", target=project, changes={"name": ["a", "b"], "code": ["c", "d"]})
    (entry,) = history(view(**HIDING[how]), ann, project)

    assert entry["changes"] == {"name": {"before": "a", "after": "b"}}


def test_who_is_shown_more_fields_reads_their_changes(history, project):
    audit.record("project.updated", target=project, changes={"code": ["c", "d"]})
    (entry,) = history(view(**HIDING["get_serializer_class"]), UserFactory(role="admin"), project)

    assert entry["changes"] == {"code": {"before": "c", "after": "d"}}


def masked(self, row):
    shown = ModelSerializer.to_representation(self, row)
    return shown if self.context["request"].user.role == "user" else {**shown, "code": "***"}


def seen(self, row):
    return f"{row.code} for {self.context['request'].user.role}"


MADE = {
    "to_representation": serializer(Project, "name", "code", members={"to_representation": masked}),
    "a method": serializer(
        Project, "name", fields=[("code", serializers.SerializerMethodField())], members={"get_code": seen}
    ),
}


@pytest.mark.parametrize("how", MADE)
def test_a_value_that_was_made_for_its_actor_is_shown_to_nobody_else(history, ann, project, how):
    audit.record("project.updated", target=project, actor_id=ann.pk, changes={"code": ["11.25", "7.00"]})
    sees = view(serializer_class=MADE[how])
    (of_admin,), (of_actor,) = (history(sees, user, project) for user in (UserFactory(role="admin"), ann))

    assert of_admin["changes"] == {}
    assert of_actor["changes"] == {"code": {"before": "11.25", "after": "7.00"}}


# --- who ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "kind"), [("ben", "member"), ("staff", "staff"), ("admin", "staff")])
def test_a_member_is_no_staff(history, ann, who, kind):
    actor = UserFactory(role="user" if who == "ben" else who)
    team = Team.objects.create(name="Team", lead=ann)
    for user in (ann, actor):
        Membership.objects.create(team=team, user=user)
    board = Board.objects.create(title="Plans", team=team)
    audit.record("board.updated", actor_id=actor.pk, target=board)
    boards = view(queryset=Board.objects.all(), serializer_class=serializer(Board, "title"))
    (theirs,), (own,) = history(boards, ann, board), history(boards, actor, board)

    assert theirs["actor"] == {"kind": kind, "id": None, "name": None}
    assert own["actor"] == {"kind": kind, "id": str(actor.pk), "name": actor.name}


# --- which objects --------------------------------------------------------------------------------


def refusing(self):
    row = super(Everything, self).get_object()
    if row.name == "Hidden":
        raise Http404
    return row


@pytest.mark.parametrize(("name", "status"), [("Hidden", 404), ("One", 200)])
@pytest.mark.parametrize("action", ["history", "restore"])
def test_a_get_object_of_ones_own_decides(call, ann, project, action, name, status):
    project.name = name
    project.save_changes("name")
    project.soft_delete()
    method = {"history": "get", "restore": "post"}[action]
    response = call(view(get_object=refusing), action, ann, method=method, pk=project.pk)

    assert response.status_code == status
