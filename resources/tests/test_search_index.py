"""PostgreSQL searches by an index, SQLite by reading: both must find what a plain comparison of words finds."""

import random

import pytest
from django.db import connection
from django.db.models import F

from core.search import COMMON, SAMPLE, HasWords, words
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'")

# What a parser of texts could take for numbers, addresses, versions, entities or operators of its own.
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
    """The contract, word by word, without any database."""
    wanted = words(text)
    if not wanted:
        return [] if text.strip() else sorted(row.title for row in rows)
    return sorted(
        row.title
        for row in rows
        if all(
            any(has.startswith(word) for has in words(f"{row.title} {' '.join(row.tag_list)} {row.content}"))
            for word in wanted
        )
    )


def found(rows):
    return sorted(rows.values_list("title", flat=True))


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


def test_finds_what_the_contract_says_whatever_the_texts(shelf):
    for text in queries(shelf):
        assert found(Resource.objects.all().matching(text)) == plainly(shelf, text), text


@on_postgresql
def test_the_index_agrees_with_the_plain_comparison_on_every_beginning(shelf):
    beginnings = {
        word[:length]
        for row in shelf
        for word in words(row.search_text)
        for length in range(1, len(word) + 1)
    }
    for beginning in beginnings:
        by_index = Resource.objects.filter(HasWords(F("search_text"), [beginning]))
        assert found(by_index) == found(Resource.objects.filter(search_text__contains=f" {beginning}"))


@pytest.mark.parametrize("text", ["", "☕ —", "\x00".strip("\x00")])
def test_a_row_without_words_is_stored_and_found_by_none(owner, text):
    ResourceFactory(user=owner.user, title="☕", content=text)

    assert found(Resource.objects.all().matching("a")) == []


def test_the_longest_text_is_stored_and_its_first_words_are_found(owner):
    content = " ".join(f"東{number:x}" for number in range(16_000))[:100_000]
    ResourceFactory(user=owner.user, title="Long", content=content)
    ResourceFactory(
        user=owner.user, title="Swollen", content="ﷺ " * 50_000
    )  # each of them becomes 18 letters

    assert found(Resource.objects.all().matching("東1f4")) == ["Long"]
    assert found(Resource.objects.all().matching("swol")) == ["Swollen"]


def test_a_long_text_costs_no_tag_its_place_in_the_index(owner):
    content = " ".join(f"{number:x}ﷺ" for number in range(16_000))
    ResourceFactory(user=owner.user, title="Long", content=content[:100_000], tags=["needle"])

    assert found(Resource.objects.all().matching("needle")) == ["Long"]


# --- which way it is asked ------------------------------------------------------------------------


def crowd(user, number, **common):
    rows = [Resource(user=user, title=f"row{n}", **common) for n in range(number)]
    for row in rows:
        row.index_words(())
    Resource.objects.bulk_create(rows)


@on_postgresql
def test_a_rare_word_asks_the_index_and_a_common_one_does_not(owner):
    crowd(owner.user, int(SAMPLE * COMMON) - 1, content="seldom often")
    crowd(owner.user, 3, content="often")
    rows = Resource.objects.owned_by(owner.user)

    assert rows.rare_among(["seldom", "often", "never"]) == ["seldom", "never"]
    assert "tsquery" in str(rows.matching("seldom").query)
    assert "tsquery" not in str(rows.matching("often").query)
    assert (
        rows.matching("often seldom").count() == rows.matching("seldom").count() == int(SAMPLE * COMMON) - 1
    )


@on_postgresql
def test_only_ones_own_rows_make_a_word_common(owner, stranger):
    crowd(stranger.user, 60, content="often")

    assert Resource.objects.owned_by(owner.user).rare_among(["often"]) == ["often"]
    assert Resource.objects.all().rare_among(["often"]) == []


@on_postgresql
def test_the_index_leads_with_the_owner_and_leaves_out_the_trash():
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'resource_words'")
        [definition] = cursor.fetchone()

    assert "USING gin (user_id, array_to_tsvector(" in definition
    assert definition.endswith("WHERE (deleted_at IS NULL)")
