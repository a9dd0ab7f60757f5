"""Parallel writers of the same rows: no request fails because of a deadlock."""

from itertools import permutations

import pytest

from core.tests.parallel import together
from resources.models import Resource, Tag
from resources.tests.factories import ResourceFactory, TagFactory

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/resources"


def callers(log_in, user, number):
    return [log_in(user) for _ in range(number)]


def statuses(responses):
    return sorted(response.status_code for response in responses)


def version(response):
    return int(response.json()["data"][0]["version"].strip("v").partition("-")[0])


def consistent(caller, *names):
    """Check that a search for the name of a tag returns the resources that show it, and no other."""
    shown = caller.get(f"{URL}?limit=100").json()["data"]
    for name in {*names, *(name for row in shown for name in row["tags"])}:
        matching = caller.get(f"{URL}?limit=100&search={name}").json()["data"]
        assert {row["id"] for row in matching} == {row["id"] for row in shown if name in row["tags"]}, name


def test_a_tag_is_renamed_while_its_resources_are_written(owner, log_in):
    """Run two renames and four updates of tagged resources in parallel, in each round."""
    resources = [ResourceFactory(user=owner.user, title="x", tags=["namex", "namey"]) for _ in range(4)]
    clients = callers(log_in, owner.user, 6)
    for number in range(15):
        first, second = Tag.objects.order_by("pk")[:2]
        calls = [
            lambda client=client, tag=tag, number=number, which=which: client.patch(
                f"/api/v1/tags/{tag.pk}", {"name": f"name{number}{which}"}
            )
            for client, tag, which in zip(clients, (first, second), "ab", strict=False)
        ] + [
            lambda client=client, row=row, names=[first.name, second.name]: client.put(
                f"{URL}/{row.pk}", {"title": "x", "tags": names}
            )
            for client, row in zip(clients[2:], resources, strict=True)
        ]
        responses = together(*calls)
        assert set(statuses(responses)) <= {200, 409}  # 409: a resource got a tag of the new name first
        consistent(owner, first.name, second.name)
        Tag.objects.filter(links=None).delete()
        for row in resources:
            owner.put(f"{URL}/{row.pk}", {"title": "x", "tags": [f"name{number}x", f"name{number}y"]})
        Tag.objects.filter(links=None).delete()


def test_a_tag_is_deleted_while_resources_get_and_lose_it(owner, log_in):
    resources = [ResourceFactory(user=owner.user, title="x") for _ in range(4)]
    clients = callers(log_in, owner.user, 5)
    for _ in range(10):
        tag = Tag.objects.filter(name="red").first() or TagFactory(user=owner.user, name="red")
        deleted, *written = together(
            lambda tag=tag: clients[0].delete(f"/api/v1/tags/{tag.pk}"),
            *(
                lambda client=client, row=row, tags=tags: client.put(
                    f"{URL}/{row.pk}", {"title": "x", "tags": tags}
                )
                for client, row, tags in zip(
                    clients[1:], resources, (["red"], [], ["red", "b"], ["b"]), strict=True
                )
            ),
        )
        assert deleted.status_code in {204, 409}
        assert statuses(written) == [200] * 4


def test_parallel_bulks_in_any_order_succeed(owner, log_in):
    resources = [ResourceFactory(user=owner.user, title="x", tags=["a", "b", "c"]) for _ in range(3)]
    clients = callers(log_in, owner.user, 6)
    for number in range(10):
        responses = together(
            *(
                lambda client=client, order=order, number=number: client.post(
                    f"{URL}/bulk",
                    {
                        "operations": [
                            {
                                "method": "update",
                                "id": str(row.pk),
                                "data": {
                                    "title": f"{number}",
                                    "tags": [f"{number}-{place}" for place, _row in order],
                                },
                            }
                            for _place, row in order
                        ]
                    },
                )
                for client, order in zip(clients, permutations(enumerate(resources)), strict=True)
            )
        )
        assert statuses(responses) == [200] * 6
        last = max(responses, key=version)
        for result in last.json()["data"]:
            shown = owner.get(f"{URL}/{result['id']}").json()["data"]
            assert [result[name] for name in ("title", "tags", "updatedAt")] == [
                shown[name] for name in ("title", "tags", "updatedAt")
            ]


def test_parallel_bulks_that_create_the_same_tags_in_opposite_order_succeed(owner, log_in):
    clients = callers(log_in, owner.user, 4)
    for number in range(10):
        names = [f"{number}-{place}" for place in range(10)]
        responses = together(
            *(
                lambda client=client, order=order: client.post(
                    f"{URL}/bulk",
                    {
                        "operations": [
                            {"method": "create", "data": {"title": "x", "tags": [name]}} for name in order
                        ]
                    },
                )
                for client, order in zip(clients, (names, names[::-1]) * 2, strict=True)
            )
        )
        assert statuses(responses) == [200] * 4
    assert Tag.objects.count() == 100


def test_of_parallel_bulks_on_one_version_one_wins(owner, log_in):
    rows = [ResourceFactory(user=owner.user, title="0") for _ in range(3)]
    clients = callers(log_in, owner.user, 6)
    for number in range(5):
        etags = {row.pk: row.etag for row in Resource.objects.all()}
        responses = together(
            *(
                lambda client=client, which=which, number=number, etags=etags: client.post(
                    f"{URL}/bulk",
                    {
                        "operations": [
                            {
                                "method": "update",
                                "id": str(row.pk),
                                "ifMatch": etags[row.pk],
                                "data": {"title": f"{number}.{which}"},
                            }
                            for row in (rows if which % 2 else rows[::-1])
                        ]
                    },
                )
                for which, client in enumerate(clients)
            )
        )
        assert statuses(responses) == [200] + [412] * 5
        assert len(set(Resource.objects.values_list("title", flat=True))) == 1


def test_a_change_applies_to_the_row_read_after_the_lock(owner, log_in):
    """Set the tags and the title in parallel: the later response shows both."""
    resource = ResourceFactory(user=owner.user, title="x", tags=["name0z"])
    url = f"{URL}/{resource.pk}"
    tagger, titler, bulker = callers(log_in, owner.user, 3)
    for number in range(1, 20):
        operation = {"method": "update", "id": str(resource.pk), "data": {"content": f"c{number}"}}
        responses = together(
            lambda number=number: tagger.patch(url, {"tags": [f"name{number}z"]}),
            lambda number=number: titler.patch(url, {"title": f"t{number}"}),
            lambda operation=operation: bulker.post(f"{URL}/bulk", {"operations": [operation]}),
        )
        assert statuses(responses) == [200] * 3
        shown = owner.get(url)
        for response in responses:
            data = response.json()["data"]
            data = data[0] if isinstance(data, list) else data
            if data["version"] == shown.json()["data"]["version"]:
                assert data["tags"] == shown.json()["data"]["tags"] == [f"name{number}z"]
        consistent(owner, f"name{number - 1}z")
