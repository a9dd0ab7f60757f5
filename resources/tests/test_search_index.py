"""PostgreSQL searches by an index, SQLite by reading: both must return the rows of a plain comparison of words."""

import random

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.db.search import COMMON, MAX_MATCHES, NEWEST, SAMPLE, words
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'")

# Texts that a parser of PostgreSQL could read as numbers, addresses, versions, entities or operators.
ODD = (
    "a1b2 1e5 -5 3.14 v1.2.3 00012345678901234567890 http://example.com/a?b=c user@example.com &amp; "
    "<b>x</b> a&b | !c "
    "<-> foo:* 'quoted' \"double\" back\\slash O'Neil x:A under_score __init__ 東京タワー 日本 ﬁne ŉ İstanbul "
    "ΌΣΟΣ Straße "
    "e\u0301te ١٢٣ ２０２４ Ⅷ x² ½ naïve \u200bzero\u200bwidth \u00a0nbsp\u3000wide \x1cfs 𝔘𝔫𝔦 👍🏽 क्षि "
    "ไทย ﷺ the of not "
    "running Ⓐ ª"
    + "y" * 63
    + " "
    + "y" * 64
    + "z 1,000 C++ A-B-C 12:30 /usr/bin %d $1 {x} [y] (z) ~ ^ `tick` null NULL true"
).split(" ")


def plainly(rows, text):
    """Implement the contract, word by word, without any database."""
    searched = words(text)
    if not searched:
        return [] if text.strip() else sorted(row.title for row in rows)
    return sorted(
        row.title
        for row in rows
        if all(
            any(has.startswith(word) for has in words(f"{row.title} {' '.join(row.tag_list)} {row.content}"))
            for word in searched
        )
    )


def titles_of(rows):
    return sorted(row.title for row in rows)


@pytest.fixture
def shelf(owner):
    chance = random.Random(5)
    return [
        ResourceFactory(
            user=owner.user,
            title=f"{number} {' '.join(chance.choices(ODD, k=3))}",
            content=" ".join(chance.choices(ODD, k=8)),
            tags=sorted({chance.choice(ODD).strip().lower()[:50] or "tag", "everywhere"}),
        )
        for number in range(60)
    ]


def queries(rows):
    chance = random.Random(6)
    letters = [*ODD, *(row.title for row in rows)]
    for _ in range(300):
        parts = []
        for _ in range(chance.randint(1, 3)):
            part = chance.choice(letters)
            start = chance.randrange(len(part)) if chance.random() < 0.3 else 0
            parts.append(part[start : start + chance.randint(1, 70)])
        yield chance.choice((" ", "-", "&", ":* | ", "'")).join(parts)[:200]


def test_finds_what_the_contract_requires_for_random_texts(shelf):
    for text in queries(shelf):
        assert titles_of(Resource.objects.all().matching(text)) == plainly(shelf, text), text


@on_postgresql
def test_the_index_agrees_with_the_plain_comparison_on_every_beginning(owner, shelf):
    beginnings = {
        word[:length]
        for row in shelf
        for word in words(row.search_text)
        for length in range(1, len(word) + 1)
    }
    for beginning in beginnings:
        for rows in (Resource.objects.all(), Resource.objects.owned_by(owner.user)):
            by_index = rows.matching(beginning)
            by_index.query.indexed_words = [beginning]
            assert "tsquery" in str(by_index.query)
            assert titles_of(by_index) == titles_of(rows.matching(beginning))


@pytest.mark.parametrize("text", ["", "☕ —", "\x00".strip("\x00")])
def test_a_row_without_words_is_stored_and_found_by_none(owner, text):
    ResourceFactory(user=owner.user, title="☕", content=text)

    assert titles_of(Resource.objects.all().matching("a")) == []


def test_the_longest_text_is_stored_and_its_first_words_are_found(owner):
    content = " ".join(f"東{number:x}" for number in range(16_000))[:100_000]
    ResourceFactory(user=owner.user, title="Long", content=content)
    ResourceFactory(
        user=owner.user, title="Swollen", content="ﷺ " * 50_000
    )  # each of them becomes 18 letters

    assert titles_of(Resource.objects.all().matching("東1f4")) == ["Long"]
    assert titles_of(Resource.objects.all().matching("swol")) == ["Swollen"]


def test_tags_of_a_long_text_are_in_the_index(owner):
    content = " ".join(f"{number:x}ﷺ" for number in range(16_000))
    ResourceFactory(user=owner.user, title="Long", content=content[:100_000], tags=["needle"])

    assert titles_of(Resource.objects.all().matching("needle")) == ["Long"]


# --- the choice of the index ----------------------------------------------------------------------


def crowd(user, number, **common):
    rows = [Resource(user=user, title=f"row{n}", **common) for n in range(number)]
    for row in rows:
        row.index_words(())
    Resource.objects.bulk_create(rows)


def sent(rows):
    with CaptureQueriesContext(connection) as captured:
        titles = [row.title for row in rows.order_by(*NEWEST)[:20]]
    return titles, [query["sql"] for query in captured]


@pytest.fixture
def library(owner):
    """Create more rows than one sample. `often` is in every tenth row, `seldom` in few; `once` in the oldest of
    all."""
    ResourceFactory(user=owner.user, title="first", content="once seldom", tags=["red"])
    crowd(owner.user, int(SAMPLE * COMMON) - 10, content="seldom often")
    crowd(owner.user, SAMPLE, content="other")
    crowd(owner.user, int(SAMPLE * COMMON) + 10, content="often")
    return Resource.objects.owned_by(owner.user)


@on_postgresql
def test_a_rare_word_uses_the_index_and_a_common_one_does_not(library):
    for text, by_index in [
        ("seldom", True),
        ("once", True),
        ("never", True),
        ("often", False),
        ("other", False),
    ]:
        titles, statements = sent(library.matching(text))

        assert any("tsquery" in statement for statement in statements) == by_index, text
        assert len(titles) == {"once": 1, "never": 0}.get(text, 20)


@on_postgresql
def test_a_short_list_is_compared_with_one_statement_and_read_with_another(owner):
    crowd(owner.user, 60, content="often")
    crowd(owner.user, 1, content="seldom")
    for text in ("often", "seldom"):
        _, statements = sent(Resource.objects.owned_by(owner.user).matching(text))

        assert len(statements) == 2
        assert "tsquery" not in "".join(statements)


@on_postgresql
def test_a_common_word_stays_common_deep_in_the_list(library):
    first = Resource.objects.get(title="first")
    oldest = library.filter(created_at__gt=first.created_at).order_by("created_at")[30].created_at
    titles, statements = sent(library.matching("row").filter(created_at__lt=oldest))

    assert len(titles) == 20
    assert "tsquery" not in "".join(statements)


@on_postgresql
def test_the_rarest_words_use_the_index_and_the_others_are_compared(library):
    _, statements = sent(library.matching("once often other seldom row"))
    [captured] = [statement for statement in statements if "tsquery" in statement]

    assert all(f"{word}'':*" in captured or f"{word}':*" in captured for word in ("once", "often", "seldom"))
    assert "' other'" in captured
    assert "' row'" in captured


def test_all_query_strategies_find_the_same_rows(library):
    for text in (
        "seldom",
        "once",
        "often",
        "other",
        "sel oft",
        "once seldom",
        "o s",
        "row often other seldom r",
    ):
        everything = [row.pk for row in library.order_by(*NEWEST) if plainly([row], text)]
        rows = library.matching(text)

        assert [row.pk for row in rows.order_by(*NEWEST)[:60]] == everything[:60], text
        assert [row.pk for row in rows.order_by("created_at", "id")[:60]] == everything[::-1][:60], text
        nulls = rows.order_by(F("deleted_at").asc(nulls_last=True), *NEWEST)
        assert [row.pk for row in nulls[:60]] == everything[:60], text
        assert rows.count() == min(len(everything), MAX_MATCHES), text
        assert len(list(rows)) == len(everything), text


def test_filters_before_and_after_apply(library):
    first = Resource.objects.get(title="first")
    later = Resource.objects.filter(created_at__gt=first.created_at)

    assert titles_of(library.tagged(["red"]).matching("seldom")[:5]) == ["first"]
    assert titles_of(library.tagged(["red"]).matching("other")[:5]) == []
    assert titles_of(library.matching("seldom").filter(created_at__lte=first.created_at)[:5]) == ["first"]
    assert library.matching("once").filter(pk__in=later.values("pk")).count() == 0


@on_postgresql
def test_a_tag_uses_the_index_too(library):
    titles, statements = sent(library.tagged(["red"]).matching("seldom"))

    assert titles == ["first"]
    assert any("red" in statement and "tsquery" in statement for statement in statements)


@on_postgresql
def test_the_trash_is_searched_without_the_index(library):
    library.update(deleted_at=timezone.now())
    titles, statements = sent(Resource.objects.trashed().matching("once"))

    assert titles == ["first"]
    assert "tsquery" not in "".join(statements)


def test_values_can_be_sliced(library):
    assert list(library.matching("once").values_list("title", flat=True)[:5]) == ["first"]


@on_postgresql
def test_the_index_leads_with_the_owner_and_leaves_out_the_trash():
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'resource_words'")
        [definition] = cursor.fetchone()

    assert "USING gin (user_id, array_to_tsvector(" in definition
    assert '"right"((user_id)::text, 1)' in definition
    assert definition.endswith("WHERE (deleted_at IS NULL)")
