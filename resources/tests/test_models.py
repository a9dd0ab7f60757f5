"""The constraints of the database: each is violated once, without a serializer."""

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.tests.factories import UserFactory
from resources.models import Resource, ResourceTag, Tag
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("status", ["", "Draft", "gone"])
def test_a_resource_has_a_known_status(status):
    resource = ResourceFactory()

    with pytest.raises(IntegrityError, match="resource_status_is_known"), transaction.atomic():
        Resource.objects.filter(pk=resource.pk).update(status=status)


def test_a_resource_has_a_title():
    resource = ResourceFactory()

    with pytest.raises(IntegrityError, match="resource_has_a_title"), transaction.atomic():
        Resource.objects.filter(pk=resource.pk).update(title="")


@pytest.mark.parametrize("column", ["title", "content", "status", "user", "created_at", "version"])
def test_a_resource_holds_no_nulls(column):
    resource = ResourceFactory()

    with pytest.raises(IntegrityError), transaction.atomic():
        Resource.objects.filter(pk=resource.pk).update(**{column: None})


def test_a_resource_belongs_to_a_user_that_exists():
    Resource.objects.create(user_id="01890000-0000-7000-8000-000000000000", title="x")

    with pytest.raises(IntegrityError), transaction.atomic():
        connection.check_constraints()
    Resource.objects.all().delete()


def test_a_tag_name_is_unique_per_user():
    tag = TagFactory(name="red")

    with pytest.raises(IntegrityError), transaction.atomic():
        TagFactory(user=tag.user, name="red")
    assert TagFactory(user=UserFactory(), name="red").pk


def test_a_tag_has_a_name():
    with pytest.raises(IntegrityError, match="tag_has_a_name"), transaction.atomic():
        TagFactory(name="")


def test_a_resource_has_a_tag_once():
    resource = ResourceFactory(tags=["red"])

    with pytest.raises(IntegrityError), transaction.atomic():
        ResourceTag.objects.create(resource=resource, tag=Tag.objects.get(), position=1)


def test_a_position_is_never_negative():
    ResourceFactory(tags=["red"])

    with pytest.raises(IntegrityError), transaction.atomic():
        ResourceTag.objects.update(position=-1)


def test_tags_are_in_the_order_of_their_positions():
    resource = ResourceFactory(tags=["c", "a", "b"])
    given = list(ResourceTag.objects.order_by("pk").values_list("tag__name", "position"))
    ResourceTag.objects.filter(tag__name="a").update(position=9)

    assert given == [("c", 0), ("a", 1), ("b", 2)]
    assert Resource.objects.with_tags().get(pk=resource.pk).tag_list == ["c", "b", "a"]


def test_deleting_a_user_deletes_their_rows():
    resource = ResourceFactory(tags=["red"])
    other = ResourceFactory(tags=["red"])
    resource.user.delete()

    assert Resource.objects.get() == other
    assert Tag.objects.get().user == other.user
    assert ResourceTag.objects.get().resource == other


def test_str_names_the_row():
    resource = ResourceFactory(title="One", tags=["red"])
    link = ResourceTag.objects.get()

    assert str(resource) == "One"
    assert str(link.tag) == "red"
    assert str(link) == f"{resource.pk} {link.tag.pk}"


def test_a_change_sets_version_and_time_and_no_other_column():
    resource = ResourceFactory(title="One", content="text")
    stale = Resource.objects.get(pk=resource.pk)
    Resource.objects.filter(pk=resource.pk).update(content="written by another")
    stale.title = "Two"
    stale.save_changes("title")
    stored = Resource.objects.get(pk=resource.pk)

    assert (stored.title, stored.content, stored.version) == ("Two", "written by another", 2)
    assert stored.updated_at > resource.updated_at == resource.created_at


def test_a_row_is_either_deleted_or_not_deleted():
    present, gone = ResourceFactory(), ResourceFactory()
    gone.soft_delete()

    assert Resource.objects.not_deleted().get() == present
    assert Resource.objects.trashed().get() == gone
