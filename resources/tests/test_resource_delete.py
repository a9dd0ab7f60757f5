import pytest

from core.audit.models import AuditEvent
from core.tests.answers import code, names
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="One", tags=["red"])


@pytest.fixture
def url(resource):
    return f"{URL}/{resource.pk}"


def test_returns_204_without_a_body(owner, url):
    response = owner.delete(url)

    assert (response.status_code, response.content) == (204, b"")


def test_a_deleted_resource_is_absent_from_every_read(owner, admin, url):
    owner.delete(url)

    assert code(owner.get(url)) == (404, "NOT_FOUND")
    assert code(admin.get(url)) == (404, "NOT_FOUND")
    assert names(owner.get(URL)) == []
    assert names(owner.get(URL, {"search": "one"})) == []
    assert names(owner.get(URL, {"tag": "red"})) == []
    assert names(admin.get(URL, {"scope": "all"})) == []
    assert names(owner.get("/api/v1/tags"), "resourceCount") == [0]


def test_a_deleted_resource_is_still_in_the_database(owner, resource, url):
    owner.delete(url)
    resource.refresh_from_db()

    assert resource.deleted_at is not None
    assert resource.version == 2


def test_a_second_deletion_is_a_404(owner, url):
    owner.delete(url)

    assert code(owner.delete(url)) == (404, "NOT_FOUND")
    assert AuditEvent.objects.filter(event="resource.deleted").count() == 1


def test_it_is_audited(owner, resource, url):
    owner.delete(url)
    event = AuditEvent.objects.get(event="resource.deleted")

    assert (event.actor_id, event.target_id) == (owner.user.pk, resource.pk)


def test_an_admin_deletes_resources_of_others(admin, url):
    assert admin.delete(url).status_code == 204
    assert not Resource.objects.not_deleted().exists()


def test_others_cannot_delete_it(stranger, staff, url):
    for caller in (stranger, staff):
        assert code(caller.delete(url)) == (404, "NOT_FOUND")
    assert Resource.objects.not_deleted().count() == 1
