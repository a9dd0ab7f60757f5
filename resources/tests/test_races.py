"""Parallel requests: real threads and real transactions, on both databases."""

from dataclasses import replace

import pytest

from core.audit.models import AuditEvent
from core.tests.parallel import together
from core.web import request_context
from resources.models import Resource, ResourceTag, Tag
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/resources"
CLIENTS, INCREMENTS = 10, 5  # raise them to look for rare failures


def callers(log_in, user, number):
    """Return this many clients of one user, each with a session of its own: they share no connection and no
    cookie."""
    return [log_in(user) for _ in range(number)]


def statuses(responses):
    return sorted(response.status_code for response in responses)


@pytest.fixture
def long_limits(monkeypatch):
    """Set long limits: on a loaded machine the last of 50 waits longer for the lock than a request may."""
    limits = replace(request_context.REQUEST_LIMITS, statement_timeout="60s", lock_timeout="60s")
    monkeypatch.setattr(request_context, "REQUEST_LIMITS", limits)


@pytest.mark.parametrize("method", ["put", "patch"])
def test_of_parallel_writes_with_one_if_match_one_succeeds(owner, log_in, method):
    resource = ResourceFactory(user=owner.user, title="0")
    url = f"{URL}/{resource.pk}"
    clients = callers(log_in, owner.user, 8)
    for round_number in range(1, 11):
        etag = owner.get(url)["ETag"]
        responses = together(
            *(
                lambda client=client, number=number, etag=etag, round_number=round_number: getattr(
                    client, method
                )(url, {"title": f"{round_number}.{number}"}, HTTP_IF_MATCH=etag)
                for number, client in enumerate(clients)
            )
        )
        assert statuses(responses) == [200] + [412] * 7
        winner = next(response for response in responses if response.status_code == 200)
        assert owner.get(url).json()["data"] == winner.json()["data"]
        resource.refresh_from_db()
        assert resource.version == 1 + round_number
    assert AuditEvent.objects.filter(event="resource.updated").count() == 10


def test_increments_with_if_match_and_retry_lose_no_update(owner, log_in):
    url = f"{URL}/{ResourceFactory(user=owner.user, title='x', content='0').pk}"

    def add(client):
        for _ in range(INCREMENTS):
            while True:
                seen = client.get(url)
                content = str(int(seen.json()["data"]["content"]) + 1)
                if client.patch(url, {"content": content}, HTTP_IF_MATCH=seen["ETag"]).status_code == 200:
                    break

    together(*(lambda client=client: add(client) for client in callers(log_in, owner.user, CLIENTS)))

    assert owner.get(url).json()["data"]["content"] == f"{CLIENTS * INCREMENTS}"
    assert owner.get(url)["ETag"].startswith(f'"v{CLIENTS * INCREMENTS + 1}-')


def test_parallel_creates_with_one_new_tag_make_one_tag(owner, log_in, long_limits):
    responses = together(
        *(
            lambda client=client, number=number: client.post(
                URL, {"title": str(number), "tags": ["new", f"own{number}"]}
            )
            for number, client in enumerate(callers(log_in, owner.user, 50))
        )
    )

    assert statuses(responses) == [201] * 50
    assert Tag.objects.filter(name="new").count() == 1
    assert ResourceTag.objects.filter(tag__name="new").count() == 50
    assert Tag.objects.count() == 51


def test_parallel_creates_with_the_same_tags_in_opposite_order_succeed(owner, log_in):
    orders = [[f"t{n}" for n in range(20)], [f"t{n}" for n in reversed(range(20))]]
    responses = together(
        *(
            lambda client=client, number=number: client.post(URL, {"title": "x", "tags": orders[number % 2]})
            for number, client in enumerate(callers(log_in, owner.user, 8))
        )
    )

    assert statuses(responses) == [201] * 8
    assert [response.json()["data"]["tags"] for response in responses] == [
        orders[number % 2] for number in range(8)
    ]


def test_a_tag_that_is_deleted_and_added_in_parallel_exists_afterwards(owner, log_in):
    deleter, *clients = callers(log_in, owner.user, 4)
    for _ in range(10):
        tag = TagFactory(user=owner.user, name="red")
        deleted, *created = together(
            lambda tag=tag: deleter.delete(f"/api/v1/tags/{tag.pk}"),
            *(lambda client=client: client.post(URL, {"title": "x", "tags": ["red"]}) for client in clients),
        )
        assert deleted.status_code in {204, 409}
        assert statuses(created) == [201] * 3
        assert Tag.objects.get().links.count() == 3
        Resource.objects.all().delete()
        Tag.objects.all().delete()


def test_of_parallel_renames_to_one_name_one_succeeds(owner, log_in):
    tags = [TagFactory(user=owner.user, name=f"old{number}") for number in range(6)]
    responses = together(
        *(
            lambda client=client, tag=tag: client.patch(f"/api/v1/tags/{tag.pk}", {"name": "new"})
            for client, tag in zip(callers(log_in, owner.user, 6), tags, strict=True)
        )
    )

    assert statuses(responses) == [200] + [409] * 5
    assert Tag.objects.filter(name="new").count() == 1


def test_a_resource_that_is_deleted_in_parallel_is_not_written(owner, log_in):
    deleter, writer, restorer = callers(log_in, owner.user, 3)
    for _ in range(5):
        resource = ResourceFactory(user=owner.user, title="One")
        url = f"{URL}/{resource.pk}"
        deleted, written = together(
            lambda url=url: deleter.delete(url), lambda url=url: writer.put(url, {"title": "Two"})
        )
        resource.refresh_from_db()
        assert deleted.status_code == 204
        assert resource.deleted_at is not None
        assert (written.status_code, resource.title, resource.version) in {(200, "Two", 3), (404, "One", 2)}
        assert restorer.post(f"{url}/restore").status_code == 200


@pytest.mark.parametrize(("path", "method", "won"), [("", "delete", 204), ("/restore", "post", 200)])
def test_of_parallel_deletions_or_restores_one_succeeds(owner, log_in, path, method, won):
    resource = ResourceFactory(user=owner.user)
    if method == "post":
        resource.soft_delete()
    version = resource.version
    responses = together(
        *(
            lambda client=client: getattr(client, method)(f"{URL}/{resource.pk}{path}")
            for client in callers(log_in, owner.user, 6)
        )
    )

    assert statuses(responses) == [won] + [404] * 5
    resource.refresh_from_db()
    assert resource.version == version + 1
