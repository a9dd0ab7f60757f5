"""The bounds of a text before it is normalised, and that what people write is within them."""

import unicodedata

import pytest
from django.core.exceptions import ValidationError

from core.db.search import words
from core.tests.normalisation import HOSTILE
from core.web.text import ascii_domain, fold, is_stream_safe, normalize, unicode_domain, without_mark_runs

MARK, TWO_MARKS = "\u0316", "\u0344"

WRITTEN = {
    "zalgo": "Z" + "\u0301\u0316\u0324" * 10,
    "vietnamese, decomposed": unicodedata.normalize("NFD", "Nguyễn Thị Ngọc Ánh, trường học"),
    "thai": "ผู้ใหญ่บ้านที่กรุงเทพฯ",
    "devanagari": "क्षत्रिय हिन्दी में लिखना",
    "hebrew with points and accents": "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים",
    "tibetan": "བོད་སྐད་ཀྱི་ཧཱུྃ",
    "family": "👩‍👩‍👧‍👦🏽 👨🏿‍🚀 🏳️‍🌈",
    "katakana in half width": "ｶﾞｷﾞｸﾞ ﾊﾟﾋﾟ",
    "a letter and 30 marks, again and again": ("e" + MARK * 30) * 100,
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_what_people_write_is_normalised(text):
    assert normalize("NFKC", text, max_length=10_000) == unicodedata.normalize("NFKC", text)
    assert without_mark_runs(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "e" + MARK * 31,
        "é" + MARK * 30,  # the letter has one of its own
        "e" + TWO_MARKS * 16,
        MARK * 31,
        "x" * 500 + "e" + MARK * 31 + "x" * 500,
        *(f"{'x' * shift}{MARK * 31}" for shift in range(15)),
        *HOSTILE.values(),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_31_marks_in_a_row_are_refused(text):
    with pytest.raises(ValidationError) as refused:
        normalize("NFC", text, max_length=100_000)

    assert refused.value.code == "invalid_characters"
    assert not is_stream_safe(text)


def test_the_length_is_looked_at_first():
    with pytest.raises(ValidationError) as refused:
        normalize("NFC", "e" + MARK * 200, max_length=100)

    assert refused.value.code == "max_length"


def test_the_same_text_in_two_spellings_is_judged_alike():
    for number in range(25, 35):
        composed, decomposed = "é" + MARK * number, "e\u0301" + MARK * number
        assert is_stream_safe(composed) == is_stream_safe(decomposed)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_search_takes_any_text_and_normalises_no_run_of_it(text, normalised):
    """Rows that were stored before there was a bound are indexed again when a tag is renamed."""
    assert words(f"Ünder {text} Över") == ["under", "a", "over"]
    assert fold(text) == "a"
    assert normalised == []


def test_folding_drops_case_and_accents():
    assert fold("ÅNGSTRÖM Straße ﬁn Ａ\u0301 İ") == "angstrom strasse fin a i"


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Łukasz ŻÓŁĆ", "lukasz zolc"),
        ("Ørsted Ǿ", "orsted o"),
        ("Đặng Đorđe", "dang dorde"),
        ("Æ\N{COMBINING ACUTE ACCENT}gir Œuvre ǽ", "aegir oeuvre ae"),
        ("Þórður Eiðsson", "thordur eidsson"),
        ("DIYARBAK\u0131R \u0130zmir", "diyarbakir izmir"),
        ("Ħal Ŧ Ŋ ĸ", "hal t n q"),
        ("O\u2019Brien O\u2018Brien O\u02bcBrien O\u00b4Brien O\u2032Brien", " ".join(["o'brien"] * 5)),
        ("Jean\u2010Luc Jean\u2011Luc Jean\u2013Luc Jean\u00adLuc", "jean-luc jean-luc jean-luc jeanluc"),
    ],
)
def test_folding_makes_of_letters_and_signs_what_people_type(text, typed):
    assert fold(text) == typed
    assert fold(typed) == typed


@pytest.mark.parametrize("domain", ["bücher.example", "straße.example", "例え.example", "plain.example"])
def test_a_domain_is_read_back_as_it_was_written(domain):
    assert unicode_domain(ascii_domain(domain)) == domain


def test_what_is_no_domain_is_refused_before_it_is_encoded():
    for text in ("ü" * 254, "a" * 64_000 + ".example", "", "a..b"):
        with pytest.raises(ValueError, match=r".+"):
            ascii_domain(text)
    assert unicode_domain("xn--a") == "xn--a"
