"""A walk by cursor during writes: no lasting row is repeated or missed."""

from threading import Event

import pytest

from core.tests.parallel import together
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/resources"
SORTS = ["-createdAt", "createdAt", "title", "-title", "status", "-status,title", "status,-title"]


def walk(caller, sort, way="nextCursor", cursor=""):
    seen = []
    while cursor is not None:
        body = caller.get(URL, {"sort": sort, "limit": 4, "cursor": cursor}).json()
        rows = [row["id"] for row in body["data"]]
        seen += rows if way == "nextCursor" else reversed(rows)
        cursor = body["meta"][way]
    return seen


def disturb(user, passing, done):
    """Change rows until the walk is over: new and deleted ones, the trash, and columns that no sort reads."""
    number = 0
    while not done.is_set():
        number += 1
        new = ResourceFactory(user=user, title=f"t{number % 7}", status=Resource.Status.values[number % 3])
        gone = passing[number % len(passing)]
        gone.soft_delete() if gone.deleted_at is None else gone.restore()
        new.delete() if number % 2 else new.save_changes("content")


@pytest.mark.parametrize("sort", SORTS)
def test_a_walk_by_cursor_returns_each_lasting_row_once(owner, sort):
    def row(number):
        return ResourceFactory(
            user=owner.user, title=f"t{number % 5}", status=Resource.Status.values[number % 3]
        )

    rows = [row(number) for number in range(30)]
    staying, passing = {str(row.pk) for row in rows[::3] + rows[1::3]}, rows[2::3]
    for _ in range(2):
        done = Event()

        def walk_through(done=done):
            try:
                return walk(owner, sort)
            finally:
                done.set()

        seen, _nothing = together(walk_through, lambda done=done: disturb(owner.user, passing, done))
        assert len(seen) == len(set(seen))
        assert staying <= set(seen)
        assert [pk for pk in seen if pk in staying] == [pk for pk in walk(owner, sort) if pk in staying]


def test_a_row_whose_sort_key_changes_is_returned_at_its_new_place(owner):
    """A walk in the order of change returns the rows changed meanwhile again, and no other row."""
    rows = [ResourceFactory(user=owner.user, title=str(number)) for number in range(8)]
    first = owner.get(URL, {"sort": "updatedAt", "limit": 4, "cursor": ""}).json()
    rows[0].save_changes("content")
    rest = walk(owner, "updatedAt", cursor=first["meta"]["nextCursor"])

    assert [row["id"] for row in first["data"]] == [str(row.pk) for row in rows[:4]]
    assert rest == [str(row.pk) for row in [*rows[4:], rows[0]]]
