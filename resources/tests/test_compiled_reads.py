"""The compiled reads return what the plain ones do, for every query. On SQLite both are the plain one."""

import random

import pytest
from django.utils import timezone

from core.api import fast_reads as reads
from core.api import pagination
from core.db import statements as compiled
from core.db.statements import statement_cache
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db
ROUNDS = 250
TIMES = ("createdAfter", "createdBefore", "updatedAfter", "updatedBefore")
OPERATORS = [f"{name}[{each}]" for name in ("createdAt", "updatedAt") for each in ("gte", "gt", "lte", "lt")]
FIELDS = ["title", "tags,title", "id", "status,createdAt,userId", "nope", ["tags", "title,id"]]


@pytest.fixture
def rows(owner, stranger):
    """Create resources of two people, in every state, with texts that are not simple."""
    chance = random.Random(7)
    made = []
    for number in range(40):
        row = ResourceFactory(
            user=chance.choice([owner.user, owner.user, stranger.user]),
            title=chance.choice(["Ärger", "a%b_c", "%s %(x)s", "📎", "same", f"n{number}"]),
            content=chance.choice(["", "line\nline", '"quoted" \\ back', "x" * 3000]),
            status=chance.choice(Resource.Status.values),
            tags=chance.sample(["a", "b", "ü", "d e", "%"], chance.randrange(4)),
        )
        if chance.random() < 0.2:
            row.soft_delete()
        made.append(row)
    return made


def random_query(chance, moments):
    query = {}
    if chance.random() < 0.7:
        keys = chance.sample(["createdAt", "updatedAt", "title", "status"], chance.randint(1, 3))
        names = [chance.choice(["", "-"]) + key for key in keys]
        query["sort"] = chance.choice([",".join(names), names])
    if chance.random() < 0.5:
        query["limit"] = chance.choice([1, 2, 5, 20, 100, 0, "x", 101])
    if chance.random() < 0.4:
        query["page"] = chance.choice([1, 2, 3, 99, 10**14, -1])
    if chance.random() < 0.3:
        query["fields"] = chance.choice(FIELDS)
    if chance.random() < 0.4:
        query["status"] = chance.sample(["draft", "published", "archived", "nope", ""], chance.randint(1, 3))
    if chance.random() < 0.3:
        chosen = chance.choices(["draft", "published", "archived", "nope", ""], [5, 5, 5, 1, 1], k=2)
        query["status[in]"] = chance.choice([",".join(chosen), chosen])
    for name in (*TIMES, *OPERATORS):
        if chance.random() < 0.1:
            query[name] = chance.choice(
                [*moments, "yesterday", "", "2026-01-01", "0001-01-01T00:00:00+14:00"]
            )
    if chance.random() < 0.2:
        query["tag"] = chance.sample(["a", "Ü ", "none"], chance.randint(1, 2))
    if chance.random() < 0.15:
        query["search"] = chance.choice(["ärg", "same", "%", ""])
    if chance.random() < 0.15:
        query["cursor"] = chance.choice(["", "forged"])
    if chance.random() < 0.2:
        query["scope"] = chance.choice(["all", "mine"])
    return query


def result_of(response):
    body = response.json()
    body.get("error", {}).pop("requestId", None)
    return response.status_code, body, response.headers.get("ETag")


def both(monkeypatch, send):
    fast = result_of(send())
    with monkeypatch.context() as plainly:
        plainly.setattr(compiled, "applies", lambda: False)
        plain = result_of(send())
    return fast, plain


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_lists_are_the_same(request, rows, monkeypatch, settings, who):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "user": (100_000, 60)}
    caller = request.getfixturevalue(who)
    chance = random.Random(who)
    moments = [row.created_at.isoformat() for row in rows[::9]] + [timezone.now().isoformat()]
    seen = set()
    for _ in range(ROUNDS):
        query = random_query(chance, moments)
        fast, plain = both(monkeypatch, lambda query=query: caller.get("/api/v1/resources", query))
        seen.add(plain[0])

        assert (query, fast) == (query, plain)
    assert seen >= {200, 400}


@pytest.mark.parametrize("who", ["owner", "stranger", "admin"])
def test_single_objects_are_the_same(request, rows, monkeypatch, settings, who):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "user": (100_000, 60)}
    caller = request.getfixturevalue(who)
    statuses = set()
    for row in rows:
        for fields in [None, *FIELDS]:
            query = {} if fields is None else {"fields": fields}
            fast, plain = both(
                monkeypatch,
                lambda row=row, query=query: caller.get(f"/api/v1/resources/{row.pk}", query),
            )
            statuses.add(plain[0])

            assert (fields, fast) == (fields, plain)
    assert statuses == {200, 400, 404}


def test_tags_are_the_same(owner, rows, monkeypatch):
    for query in (
        {},
        {"fields": "name"},
        {"sort": "-name", "limit": 2},
        {"search": "a"},
        {"sort": "createdAt"},
    ):
        fast, plain = both(monkeypatch, lambda query=query: owner.get("/api/v1/tags", query))

        assert fast == plain
    assert plain[1]["meta"]["total"] == 5


def test_a_statement_does_not_depend_on_its_first_caller(owner, stranger, rows):
    statement_cache.clear()
    mine = {row["userId"] for row in owner.get("/api/v1/resources?limit=100").json()["data"]}
    theirs = {row["userId"] for row in stranger.get("/api/v1/resources?limit=100").json()["data"]}

    assert mine == {str(owner.user.pk)}
    assert theirs == {str(stranger.user.pk)}


def test_a_lowered_role_counts_at_once(admin, rows):
    path = f"/api/v1/resources/{rows[0].pk}"
    rows[0].restore()
    assert admin.get(path).status_code == 200
    admin.user.role = "user"
    admin.user.save(update_fields=["role"])

    assert admin.get(path).status_code == 404
    assert admin.get("/api/v1/resources?scope=all").status_code == 403


def test_deep_pages_return_the_rows_of_the_plain_path(owner, rows, monkeypatch):
    paths = [f"/api/v1/resources?limit=4&sort=title&page={page}" for page in range(1, 7)]
    shallow = [result_of(owner.get(path)) for path in paths]
    monkeypatch.setattr(pagination, "DEEP", 5)
    monkeypatch.setattr(reads, "DEEP", 5)

    assert [result_of(owner.get(path)) for path in paths] == shallow
