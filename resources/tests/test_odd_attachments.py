"""Documented hooks and custom serializers of REST framework work in viewsets of attachments."""

import json

import pytest
from rest_framework import serializers

from core.files.attachments.serializers import AttachmentSerializer, UploadSerializer
from core.files.attachments.views import AttachmentViewSet, ShowsAttachments
from core.files.models import StoredFile
from core.files.uploads import UploadParser
from core.tests.samples import upload
from core.web.errors import ApiError
from resources.models import Attachment, Resource
from resources.serializers import ResourceDetailSerializer, ResourceSerializer
from resources.tests.factories import AttachmentFactory
from resources.views import ResourceViewSet

pytestmark = pytest.mark.django_db


def attachments(**members):
    return type(
        "Files",
        (AttachmentViewSet,),
        {"queryset": Attachment.objects.all(), "parents": ResourceViewSet, **members},
    )


def body(response, status=200):
    assert response.status_code == status, response.content
    return json.loads(response.content)["data"]


@pytest.fixture
def attachment():
    return AttachmentFactory()


@pytest.fixture
def user(attachment):
    return attachment.resource.user


@pytest.fixture
def place(attachment):
    return {"id": attachment.resource_id, "attachmentId": attachment.pk}


def post(call, view, user, resource_id, **fields):
    data = {**upload(b"Hello", "hello.txt"), **fields}
    return call(view, "create", user, data=data, headers={"format": "multipart"}, id=resource_id)


def test_a_perform_create_may_refuse(call, user, attachment):
    def perform_create(self, serializer):
        raise ApiError("CONFLICT")

    response = post(call, attachments(perform_create=perform_create), user, attachment.resource_id)

    assert response.status_code == 409
    assert list(StoredFile.objects.values_list("pk", flat=True)) == [attachment.file_id]


def test_a_perform_create_saves_values_of_its_own(call, user, attachment):
    def perform_create(self, serializer):
        serializer.save(width=7)

    response = post(call, attachments(perform_create=perform_create), user, attachment.resource_id)

    assert body(response, 201)["width"] == 7


def test_an_upload_has_fields_of_its_own(call, user, attachment):
    serializer = type("Upload", (UploadSerializer,), {"height": serializers.IntegerField(max_value=9)})
    parser = type("Parser", (UploadParser,), {"known_fields": frozenset({"height"})})
    view = attachments(input_serializers={"create": serializer}, parser_classes=(parser,))

    assert body(post(call, view, user, attachment.resource_id, height="8"), 201)["height"] == 8
    assert post(call, view, user, attachment.resource_id, height="10").status_code == 400


def test_a_perform_destroy_may_refuse(call, user, attachment, place):
    def perform_destroy(self, instance):
        raise ApiError("CONFLICT")

    response = call(attachments(perform_destroy=perform_destroy), "destroy", user, **place)

    assert response.status_code == 409
    assert Attachment.objects.filter(pk=attachment.pk).exists()


def test_a_perform_destroy_calls_that_of_the_base(call, user, attachment, place):
    def perform_destroy(self, instance):
        AttachmentViewSet.perform_destroy(self, instance)

    assert call(attachments(perform_destroy=perform_destroy), "destroy", user, **place).status_code == 204
    assert not Attachment.objects.filter(pk=attachment.pk).exists()


class NamedSerializer(AttachmentSerializer):
    shout = serializers.SerializerMethodField()

    def get_shout(self, row):
        return row.file.filename.upper()


def test_every_action_shows_the_serializer_of_a_subclass(call, user, attachment, place):
    view = attachments(serializer_class=NamedSerializer)
    one = call(view, "retrieve", user, **place)

    assert body(one)["shout"] == "A.TXT"
    assert [row["shout"] for row in body(call(view, "list", user, id=place["id"]))] == ["A.TXT"]
    assert body(post(call, view, user, attachment.resource_id), 201)["shout"] == "HELLO.TXT"
    assert body(call(view, "retrieve", user, query={"fields": "shout"}, **place)) == {
        "id": str(attachment.pk),
        "shout": "A.TXT",
    }


def shouting(self, data, *args, **kwargs):
    return AttachmentViewSet.response_with(
        self, {**data, "filename": data["filename"].upper()}, *args, **kwargs
    )


@pytest.mark.parametrize(
    ("members", "status"),
    [({}, 304), ({"serializer_class": NamedSerializer}, 200), ({"response_with": shouting}, 200)],
)
def test_an_object_with_a_custom_serializer_is_no_304(call, user, place, members, status):
    view = attachments(**members)
    etag = call(view, "retrieve", user, **place).headers["ETag"]

    again = call(view, "retrieve", user, headers={"HTTP_IF_NONE_MATCH": etag}, **place)
    assert again.status_code == status


def resources(**members):
    given = {
        "queryset": Resource.objects.with_tags(),
        "serializer_class": ResourceSerializer,
        "attachment_model": Attachment,
    }
    return type("Resources", (ShowsAttachments,), given | members)


class NamelessSerializer(ResourceDetailSerializer):
    def to_representation(self, instance):
        shown = super().to_representation(instance)
        del shown["id"]
        return shown


class WithoutKeySerializer(ResourceDetailSerializer):
    class Meta(ResourceDetailSerializer.Meta):
        fields = ("title", "attachments")


@pytest.mark.parametrize("serializer", [NamelessSerializer, WithoutKeySerializer])
def test_an_object_without_its_id_shows_its_attachments(call, user, attachment, serializer):
    view = resources(detail_serializer_class=serializer)

    for action in ("retrieve", "partial_update"):
        shown = body(call(view, action, user, data={}, pk=attachment.resource_id))
        assert [row["id"] for row in shown["attachments"]] == [str(attachment.pk)], action


def test_an_object_shows_its_attachments_by_the_serializer_of_its_field(call, user, attachment):
    field = NamedSerializer(many=True, read_only=True, source="attachment_count")
    serializer = type("Detail", (ResourceDetailSerializer,), {"attachments": field})
    view = resources(detail_serializer_class=serializer)

    shown = body(call(view, "retrieve", user, pk=attachment.resource_id))
    assert [row["shout"] for row in shown["attachments"]] == ["A.TXT"]
