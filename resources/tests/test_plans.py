"""Lists and searches are read from their indexes on PostgreSQL, as its plans show."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from accounts.tests.factories import UserFactory
from benchmarks.seeding import seed_resources
from core.api.cursor import keyset_page
from core.db import search
from core.db.models import Change
from resources.models import Resource, ResourceTag, Tag
from resources.tests.factories import ResourceFactory

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'postgresql'"),
]


@pytest.fixture(scope="module")
def crowd(django_db_setup, django_db_blocker):
    """One who has much among others who have less, with statistics: too many to read the whole table. Made once,
    and so committed, because making them takes longer than all the plans."""
    with django_db_blocker.unblock():
        busy, *others = UserFactory.create_batch(9)
        counts = [(busy, 1200), *((user, 350) for user in others)]
        assert sum(seed_resources(counts, 1, 2)) == 4000
        analyze()
        yield busy
        User.objects.filter(pk__in=[busy.pk, *(user.pk for user in others)]).delete()


def analyze():
    with connection.cursor() as cursor:
        for model in (Resource, ResourceTag, Tag, Change):
            cursor.execute(f"ANALYZE {model._meta.db_table}")
        cursor.execute("SELECT gin_clean_pending_list('resource_words')")  # as autovacuum does


@pytest.fixture
def many(crowd):
    return Resource.objects.owned_by(crowd).not_deleted()


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def plan(rows):
    return plan_of(*rows.query.sql_with_params())


def plan_of(sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
        return list(nodes(cursor.fetchone()[0][0]["Plan"]))


def indexes(rows):
    return {node["Index Name"] for node in plan(rows) if "Index Name" in node}


def kinds(rows):
    return {node["Node Type"] for node in plan(rows)}


SORTS = [
    (["-created_at", "-id"], "resource_newest"),
    (["created_at", "id"], "resource_newest"),
    (["title_sort", "id"], "resource_by_title_key"),
    (["-title_sort", "-id"], "resource_by_title_key"),
    (["updated_at", "id"], "resource_by_update"),
    (["-updated_at", "-id"], "resource_by_update"),
    (["status", "id"], "resource_sorted_by_status"),
    (["-status", "-id"], "resource_sorted_by_status"),
]


@pytest.mark.parametrize(("order", "index"), SORTS)
def test_the_first_page_of_each_sort_is_read_from_its_index(many, order, index):
    page = many.order_by(*order)[:20]

    assert index in indexes(page)
    assert not {"Sort", "Incremental Sort", "Seq Scan"} & kinds(page)


@pytest.mark.parametrize(("order", "index"), SORTS)
@pytest.mark.parametrize("way", ["nextCursor", "prevCursor"])
def test_a_deep_page_starts_in_the_middle_of_the_index(many, order, index, way):
    """Every column of the sort bounds the index scan, and nothing is left to filter."""
    rows = many.order_by(*order)
    _, meta = keyset_page(rows, "", 100)
    _, meta = keyset_page(rows, meta["nextCursor"], 100)
    with CaptureQueriesContext(connection) as sent:
        keyset_page(rows, meta[way], 20)
    [scan] = [
        node for node in plan_of(sent[0]["sql"]) if node["Node Type"] in {"Index Scan", "Index Only Scan"}
    ]

    assert scan["Index Name"] == index
    assert "ROW(" in scan["Index Cond"]
    assert "Filter" not in scan


def test_a_page_of_the_change_feed_starts_in_the_middle_of_its_index(crowd, log_in):
    """The sort of the index is that of the feed, and only the deletions from before the client's beginning are
    filtered."""
    caller = log_in(crowd)
    first = caller.get("/api/v1/resources/changes", {"limit": 100}).json()
    with CaptureQueriesContext(connection) as sent:
        caller.get("/api/v1/resources/changes", {"cursor": first["meta"]["nextCursor"]})
    statement = next(each["sql"] for each in sent if 'ORDER BY "changes"' in each["sql"])
    [scan] = [node for node in plan_of(statement) if "Index Name" in node]

    assert scan["Index Name"] == "change_in_order"
    assert "ROW(" in scan["Index Cond"]
    assert not {"Sort", "Incremental Sort", "Seq Scan"} & {node["Node Type"] for node in plan_of(statement)}


def test_everybodys_newest_page_is_read_from_its_index(many):
    assert "resource_of_all" in indexes(Resource.objects.not_deleted().order_by("-created_at", "-id")[:20])


def test_a_status_is_read_and_counted_from_an_index(many):
    page = many.filter(status="archived").order_by("-created_at", "-id")[:20]

    assert indexes(page) == {"resource_by_status"}
    assert "Sort" not in kinds(page)


def test_the_trash_is_read_from_its_index(many, crowd):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE resources_resource SET deleted_at = now() WHERE status = 'archived'")
    analyze()
    page = Resource.objects.owned_by(crowd).trashed().order_by("-created_at", "-id")[:20]

    assert indexes(page) == {"resource_trash_newest"}
    assert "Sort" not in kinds(page)


def test_a_rare_tag_is_read_from_its_index(many, crowd):
    ResourceFactory(user=crowd, tags=["rare"])
    page = many.tagged(["rare"]).order_by("-created_at", "-id")[:20]

    assert {"resources_resource_pkey"} <= indexes(page)
    assert "Seq Scan" not in kinds(page)


def test_the_counts_of_tags_are_read_from_indexes(many, crowd):
    counts = Tag.objects.visible_to(crowd).with_resource_count().order_by("name")[:20]

    assert "Seq Scan" not in kinds(counts)


def plans_of_search(rows):
    """Return the plans of every statement that is sent for a page, with its values."""
    with CaptureQueriesContext(connection) as sent:
        assert list(rows[:20]) is not None
    return [plan_of(query["sql"]) for query in sent]


def ways_of_search(rows):
    """Return the indexes that are read, and `words` if one is searched by words and not only by owner."""
    scans = [node for nodes in plans_of_search(rows) for node in nodes]
    by_words = {"words" for node in scans if "@@" in node.get("Index Cond", "")}
    assert "@@" not in "".join(node.get("Filter", "") for node in scans)
    return by_words | {node["Index Name"] for node in scans if "Index Name" in node}


@pytest.fixture
def short_look(monkeypatch):
    """Sample fewer rows, as if the table were much larger."""
    monkeypatch.setattr(search, "SAMPLE", 100)


@pytest.mark.parametrize("words", ["zozozo", "xyzzy plugh", "zozozo the"])
@pytest.mark.parametrize("order", [["-created_at", "-id"], ["title_sort", "id"]])
def test_a_rare_word_is_looked_up_in_the_index_whatever_the_order(many, short_look, words, order):
    assert "words" in ways_of_search(many.matching(words).order_by(*order))


def test_a_rare_word_is_ranked_by_the_index(many, short_look):
    assert "words" in ways_of_search(many.matching("zozozo").by_relevance())


def test_a_search_of_all_users_uses_the_index_too(many, short_look):
    rows = Resource.objects.not_deleted().matching("zozozo").order_by("-created_at", "-id")

    assert "words" in ways_of_search(rows)


def test_a_common_word_is_found_among_the_newest(many, short_look):
    used = ways_of_search(many.matching("the").order_by("-created_at", "-id"))

    assert "resource_newest" in used
    assert "words" not in used


def test_a_word_of_medium_frequency_is_found_by_a_scan_in_order(many, short_look, monkeypatch):
    monkeypatch.setattr(search, "COMMON", 0.01)
    [_, walk, *_] = plans_of_search(many.matching("that").order_by("title_sort", "id"))

    assert "resource_by_title_key" in {node.get("Index Name") for node in walk}
    assert "Sort" not in {node["Node Type"] for node in walk}


def test_the_index_is_searched_by_owner_and_words_together(many):
    """An expression that is not literally that of the index would be correct, and slow."""
    with connection.cursor() as cursor:
        for way in ("seqscan", "indexscan", "indexonlyscan"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    rows = many.matching("zozozo gara")
    rows.query.indexed_words = ["zozozo", "gara"]
    [scan] = [node for node in plan(rows) if node.get("Index Name") == "resource_words"]

    assert "user_id =" in scan["Index Cond"]
    assert "@@" in scan["Index Cond"]
