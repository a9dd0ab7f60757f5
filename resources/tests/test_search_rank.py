"""The order of the rows of a search, and the limit of numbered pages."""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from core.db.search import MAX_MATCHES
from core.tests.answers import names
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"
START = datetime(2026, 1, 1, tzinfo=UTC)


def shelve(user, *books):
    """Create books, each newer than the one before."""
    for number, (title, content) in enumerate(books):
        ResourceFactory(user=user, title=title, content=content, created_at=START + timedelta(hours=number))


def search(caller, text, **query):
    return names(caller.get(URL, {"search": text, **query}))


def test_a_word_of_the_title_counts_more_than_its_beginning_and_that_more_than_content(owner):
    shelve(owner.user, ("An engine", ""), ("Engineering", ""), ("Other", "engine"), ("Nothing", "at all"))

    assert search(owner, "engine") == ["An engine", "Engineering", "Other"]


def test_more_words_in_the_title_count_more(owner):
    shelve(
        owner.user, ("Ada and Charles", ""), ("Ada", "charles"), ("Charles", "ada"), ("Both", "ada charles")
    )

    assert search(owner, "ada charles") == ["Ada and Charles", "Charles", "Ada", "Both"]


def test_rows_of_equal_rank_are_sorted_newest_first(owner):
    shelve(owner.user, ("Old", "same"), ("New", "same"), ("Newest", "same"))

    assert search(owner, "same") == ["Newest", "New", "Old"]


def test_a_tag_counts_as_content(owner):
    ResourceFactory(user=owner.user, title="Red", created_at=START)
    ResourceFactory(user=owner.user, title="Tagged", tags=["red"])

    assert search(owner, "red") == ["Red", "Tagged"]


def test_a_title_without_words_has_no_rank(owner):
    shelve(owner.user, ("Word", ""), ("☕", "word"))

    assert search(owner, "word") == ["Word", "☕"]


def test_case_and_accents_of_the_title_do_not_matter(owner):
    shelve(owner.user, ("ÉCOLE", ""), ("Other", "école"))

    assert search(owner, "ecole") == ["ÉCOLE", "Other"]


def test_sort_and_cursor_do_not_rank(owner):
    shelve(owner.user, ("b word", ""), ("a", "word"), ("c", "word"))

    assert search(owner, "word") == ["b word", "c", "a"]
    assert search(owner, "word", sort="title") == ["a", "b word", "c"]
    assert search(owner, "word", sort="-createdAt") == ["c", "a", "b word"]
    assert search(owner, "word", cursor="") == ["c", "a", "b word"]


def test_pages_of_a_ranked_search_share_no_row(owner):
    shelve(owner.user, *[(f"{number} {'word' if number % 3 else ''}", "word") for number in range(10)])
    pages = [search(owner, "word", page=number, limit=3) for number in (1, 2, 3, 4, 5)]

    assert [len(page) for page in pages] == [3, 3, 3, 1, 0]
    assert list(chain.from_iterable(pages)) == search(owner, "word", limit=100)


def test_rank_filters_and_fields_go_together(owner):
    shelve(owner.user, ("word one", ""), ("two", "word"))
    ResourceFactory(user=owner.user, title="archived word", status="archived")
    response = owner.get(URL, {"search": "word", "status": "draft", "fields": "title"}).json()

    assert [row["title"] for row in response["data"]] == ["word one", "two"]
    assert response["meta"]["total"] == 2


def test_the_trash_is_ranked_too(owner):
    shelve(owner.user, ("word", ""), ("other", "word"))
    for row in Resource.objects.all():
        row.soft_delete()

    assert names(owner.get(f"{URL}/trash", {"search": "word"})) == ["word", "other"]


def test_punctuation_alone_and_an_empty_search_are_not_ranked(owner):
    shelve(owner.user, ("a", ""), ("b", ""))

    assert search(owner, "") == ["b", "a"]
    assert search(owner, "☕") == []


@pytest.fixture
def crowd(owner):
    rows = [
        Resource(user=owner.user, title=f"{number} often", created_at=START + timedelta(minutes=number))
        for number in range(MAX_MATCHES + 5)
    ]
    for row in rows:
        row.index_words(())
    return Resource.objects.bulk_create(rows)


@pytest.mark.parametrize("sort", [{}, {"sort": "createdAt"}])
def test_numbered_pages_of_a_search_end_at_the_limit(owner, crowd, sort):
    last = owner.get(URL, {"search": "often", "limit": 100, "page": MAX_MATCHES // 100, **sort}).json()
    beyond = owner.get(URL, {"search": "often", "limit": 30, "page": -(-MAX_MATCHES // 30), **sort}).json()

    assert last["meta"]["total"] == beyond["meta"]["total"] == MAX_MATCHES
    assert len(last["data"]) == 100
    assert len(beyond["data"]) == MAX_MATCHES % 30
    assert names(owner.get(URL, {"search": "often", "page": MAX_MATCHES // 20 + 1, **sort})) == []


def test_the_newest_are_ranked(owner, crowd):
    assert search(owner, "often", limit=2) == [f"{MAX_MATCHES + 4} often", f"{MAX_MATCHES + 3} often"]
    assert search(owner, "often", limit=100, page=MAX_MATCHES // 100)[-1] == "5 often"


def test_a_slice_is_the_beginning_of_all_that_is_ranked(owner):
    shelve(owner.user, ("word", ""), ("a", "word"), ("b", "word"))
    ranked = Resource.objects.owned_by(owner.user).matching("word").by_relevance()

    assert [row.title for row in ranked[:1]] == ["word"]


def test_a_cursor_continues_to_the_last_row(owner, crowd):
    cursor, count = "", 0
    while cursor is not None:
        body = owner.get(URL, {"search": "often", "limit": 100, "cursor": cursor}).json()
        count, cursor = count + len(body["data"]), body["meta"]["nextCursor"]

    assert count == MAX_MATCHES + 5


def test_without_a_search_everything_is_counted(owner, crowd):
    assert owner.get(URL).json()["meta"]["total"] == MAX_MATCHES + 5
