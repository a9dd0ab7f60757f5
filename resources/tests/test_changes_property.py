"""A client that follows the change feed, while eight writers change everything, ends with the state of the database."""

from random import Random
from threading import Event

import pytest
from django.db import connection

from core.tests.caller import Caller
from core.tests.parallel import together
from resources.tests.factories import ResourceFactory
from resources.tests.feed_client import LIST, FeedClient, listed

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 8
STEPS = 30 if connection.vendor == "postgresql" else 12
# An object that another has restored, a taken name of a tag, a lock that another held for too long.
REFUSED = {404, 409, 503}


class Writer:
    """Takes random steps as the owner of the objects."""

    def __init__(self, caller, random):
        self.caller, self.random = Caller(), random
        self.caller.credentials(HTTP_AUTHORIZATION=caller.authorization)

    def ids(self, path):
        return [row["id"] for row in self.caller.get(path, {"limit": 100}).json()["data"]]

    def some(self, path):
        ids = self.ids(path)
        return self.random.choice(ids) if ids else "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17"

    def tags(self):
        return self.random.sample("abcdef", 2)

    def title(self):
        return f"t{self.random.random()}"

    def create(self):
        return self.caller.post(LIST, {"title": self.title(), "tags": self.tags()})

    def change(self):
        return self.caller.patch(f"{LIST}/{self.some(LIST)}", {"title": self.title(), "tags": self.tags()})

    def delete(self):
        return self.caller.delete(f"{LIST}/{self.some(LIST)}")

    def restore(self):
        return self.caller.post(f"{LIST}/{self.some(f'{LIST}/trash')}/restore")

    def rename_a_tag(self):
        return self.caller.patch(
            f"/api/v1/tags/{self.some('/api/v1/tags')}", {"name": self.random.choice("abcdefgh")}
        )

    def empty_the_trash(self):
        return self.caller.delete(f"{LIST}/trash")

    def bulk(self):
        new = {"method": "create", "data": {"title": self.title(), "tags": self.tags()}}
        old = {"method": "delete", "id": self.some(LIST)}
        return self.caller.post(f"{LIST}/bulk", {"operations": [new, new, old]})

    def work(self):
        steps = [
            self.create,
            self.change,
            self.change,
            self.delete,
            self.restore,
            self.rename_a_tag,
            self.bulk,
        ]
        for number in range(STEPS):
            step = self.empty_the_trash if number % 10 == 9 else self.random.choice(steps)
            response = step()
            assert response.status_code < 300 or response.status_code in REFUSED, response.content


def follow(client, random, writers_are_done):
    while not writers_are_done.is_set():
        client.page(random.randint(1, 7))


def identity(entry):
    if entry["type"] == "upsert":
        return entry["object"]["id"], entry["object"]["version"]
    return entry["id"], entry["deletedAt"]


@pytest.mark.parametrize("seed", range(3))
def test_the_client_ends_with_exactly_the_state_of_the_database(owner, rates, seed):
    rates(user=10**6)
    for number in range(10):
        ResourceFactory(user=owner.user, title=str(number), tags=["a", "b"])
    clients = [FeedClient(owner), FeedClient(owner)]
    clients[1].catch_up()
    writers = [Writer(owner, Random(seed * 100 + number)) for number in range(WRITERS)]
    done = Event()

    def write_all():
        try:
            together(*(writer.work for writer in writers))
        finally:
            done.set()

    followers = [lambda one=one: follow(one, Random(seed), done) for one in clients]
    together(write_all, *followers)
    for client in clients:
        client.catch_up()

        assert client.held == listed(owner)
        told = [identity(entry) for entry in client.told]
        assert len(told) == len(set(told))
