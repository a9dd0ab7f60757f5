import pytest

from core.db.search import words
from core.tests.answers import names, problems
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


def search(caller, text, **query):
    return names(caller.get(URL, {"search": text, "sort": "title", **query}))


@pytest.fixture
def shelf(owner):
    """Create four resources to search."""
    for title, content, tags in [
        ("Analytical Engine", "Notes by Ada Lovelace", ["history"]),
        ("Café Zürich", "Crème brûlée, from 7 to 12", ["food"]),
        ("Reports 2024", "100% of the snake_case names\\paths", ["work", "new york"]),
        ("Ελλάδα", "Straße, 東京, ﬁnale", ["travel"]),
    ]:
        ResourceFactory(user=owner.user, title=title, content=content, tags=tags)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Analytical", ["Analytical Engine"]),
        ("eng", ["Analytical Engine"]),
        ("love", ["Analytical Engine"]),
        ("hist", ["Analytical Engine"]),
        ("york", ["Reports 2024"]),
        ("2024", ["Reports 2024"]),
        ("7", ["Café Zürich"]),
        ("n", ["Analytical Engine", "Reports 2024"]),
    ],
)
def test_finds_the_beginning_of_any_word_of_title_content_and_tags(owner, shelf, text, expected):
    assert search(owner, text) == expected


@pytest.mark.parametrize("text", ["ngine", "ovelace", "istory", "nalytical", "024", "otes"])
def test_does_not_find_the_middle_of_a_word(owner, shelf, text):
    assert search(owner, text) == []


@pytest.mark.parametrize("text", ["ENGINE", "eNgInE", "ADA", "ELLÁDA".replace("ELLÁDA", "ΕΛΛΆΔΑ"), "ελλ"])
def test_case_does_not_matter(owner, shelf, text):
    assert len(search(owner, text)) == 1


@pytest.mark.parametrize(
    "text", ["cafe", "café", "cafe\u0301", "CAFÉ", "zurich", "Zürich", "creme brulee", "çafe", "brûlèe"]
)
def test_accents_do_not_matter_on_either_side(owner, shelf, text):
    assert search(owner, text) == ["Café Zürich"]


@pytest.mark.parametrize("text", ["lukasz zolc", "ŁUKASZ", "orsted", "ørsted", "dang", "aegir", "o'brien"])
def test_letters_that_do_not_decompose_are_found_by_their_common_spelling(owner, text):
    name = "Łukasz Żółć"
    ResourceFactory(user=owner.user, title=name, content="Ørsted, Đặng, Ægir, O\u2019Brien")
    ResourceFactory(user=owner.user, title="Another", content="b c")

    assert search(owner, text) == [name]


@pytest.mark.parametrize("text", ["strasse", "straße", "STRASSE", "東京", "東", "finale", "ﬁn", "Ελλαδα"])
def test_every_script_is_searched(owner, shelf, text):
    assert search(owner, text) == ["Ελλάδα"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ada engine", ["Analytical Engine"]),
        ("engine ada", ["Analytical Engine"]),
        ("lov an hist", ["Analytical Engine"]),
        ("ada cafe", []),
        ("ada ada", ["Analytical Engine"]),
        ("ada xyzzy", []),
        ("  ada   love  ", ["Analytical Engine"]),
        ("ada,engine", ["Analytical Engine"]),
        ("snake_case", ["Reports 2024"]),
        ("ada-lovelace", ["Analytical Engine"]),
    ],
)
def test_every_word_is_needed_in_any_order(owner, shelf, text, expected):
    assert search(owner, text) == expected


@pytest.mark.parametrize(
    "text", ["%", "_", "\\", "'", '"', "''", "*", "&", "|", "!", "<->", "(", ":*", "?", "%%", "—", "☕"]
)
def test_punctuation_alone_matches_nothing(owner, shelf, text):
    assert search(owner, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "zz%",
        "%zz",
        "ad_ zz",
        "'; DROP TABLE resources_resource; --",
        "' OR 1=1 --",
        "(zz+)+$",
        "ada | zzz",
        "ada & !zzz",
        "ada <-> zzz",
        "zz:* | ada:*",
        "{{ 7*7 }} zz",
        "\\x00zzz",
    ],
)
def test_operators_of_other_search_languages_are_plain_text(owner, shelf, text):
    assert search(owner, text) == []


def test_punctuation_around_a_word_is_ignored(owner, shelf):
    assert search(owner, "%ada%") == ["Analytical Engine"]
    assert search(owner, "\"Ada\" 'Lovelace'") == ["Analytical Engine"]


@pytest.mark.parametrize("text", ["", "   ", " " * 10_000])
def test_an_empty_search_does_not_filter(owner, shelf, text):
    assert len(search(owner, text)) == 4


def test_a_search_has_up_to_200_characters(owner):
    ResourceFactory(user=owner.user, title=" ".join(["word"] * 40))

    assert len(search(owner, "w" + " word" * 39 + " wor")) == 1
    assert problems(owner.get(URL, {"search": "x" * 201})) == {"search": "max_length"}


def test_nul_is_refused(owner):
    assert "search" in problems(owner.get(URL, {"search": "a\x00b"}))


def test_invalid_utf_8_finds_nothing_and_breaks_nothing(owner, shelf):
    assert names(owner.get(f"{URL}?search=%ff%fe%c3")) == []


def test_long_words_are_found_by_their_first_64_letters(owner):
    ResourceFactory(user=owner.user, title="x" * 200)

    assert len(search(owner, "x" * 63)) == 1
    assert len(search(owner, "x" * 200)) == 1
    assert search(owner, "x" * 64 + "y") == ["x" * 200]  # only 64 letters of a word are compared


def test_the_last_word_of_a_long_content_is_found(owner):
    ResourceFactory(user=owner.user, title="Long", content="word " * 19_000 + "needle")

    assert search(owner, "needle") == ["Long"]


def test_searches_and_filters_together(owner, shelf):
    assert search(owner, "ada", tag="history", status="draft") == ["Analytical Engine"]
    assert search(owner, "ada", tag="food") == []
    assert owner.get(URL, {"search": "ada"}).json()["meta"]["total"] == 1


def test_follows_an_update(owner):
    resource = ResourceFactory(user=owner.user, title="Old", content="text", tags=["red"])
    owner.patch(f"{URL}/{resource.pk}", {"title": "New", "tags": ["blue"]})

    assert [search(owner, text) for text in ("old", "red")] == [[], []]
    assert [search(owner, text) for text in ("new", "text", "blue")] == [["New"]] * 3


def test_does_not_find_resources_of_others(owner, stranger, shelf):
    assert search(stranger, "ada") == []


def test_does_not_find_resources_in_the_trash(owner):
    ResourceFactory(user=owner.user, title="Gone").soft_delete()

    assert search(owner, "gone") == []


def test_an_admin_finds_all_resources_with_scope_all(owner, admin, shelf):
    assert search(admin, "ada") == []
    assert search(admin, "ada", scope="all") == ["Analytical Engine"]


@pytest.mark.parametrize("text", ["Ǆ", "ﬃ", "İstanbul", "ΌΣΟΣ", "e\u0301\u0327", "ŉ"])
def test_the_compared_form_is_stable(text):
    once = " ".join(words(text))

    assert " ".join(words(once)) == once
