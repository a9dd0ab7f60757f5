"""The canonical form of an address: equal addresses, different ones and invalid ones."""

import pytest
from django.core.exceptions import ValidationError

from accounts.addresses import canonical_email, lookup_email
from accounts.tests.checks import API, problems
from accounts.tests.factories import PASSWORD

SAME = {
    "ann@example.com": "ann@example.com",
    "Ann@Example.COM": "ann@example.com",
    "  ann@example.com\t": "ann@example.com",
    "ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ": "ann@example.com",  # full width
    "\u212aelvin@example.com": "kelvin@example.com",  # the Kelvin sign
    "ﬀion@example.com": "ffion@example.com",  # a ligature
    "ſam@example.com": "sam@example.com",  # a long s
    "ann@EXAMPLE。com": "ann@example.com",  # an ideographic full stop
    "ann@bücher.example": "ann@xn--bcher-kva.example",
    "ann@BÜCHER.example": "ann@xn--bcher-kva.example",
    "ann@bu\u0308cher.example": "ann@xn--bcher-kva.example",  # u and a combining diaeresis
    "ann@xn--bcher-kva.example": "ann@xn--bcher-kva.example",
    "ann@XN--BCHER-KVA.example": "ann@xn--bcher-kva.example",
    "ann@straße.example": "ann@xn--strae-oqa.example",  # IDNA 2008: not strasse
    "ann+tag@example.com": "ann+tag@example.com",
    "a.n.n@example.com": "a.n.n@example.com",
    "o'brien_99%x@sub.example.co.uk": "o'brien_99%x@sub.example.co.uk",
}


@pytest.mark.parametrize(("spelling", "canonical"), SAME.items(), ids=ascii)
def test_spellings_of_one_address(spelling, canonical):
    assert canonical_email(spelling) == canonical


@pytest.mark.parametrize("canonical", sorted(set(SAME.values())))
def test_the_canonical_form_is_idempotent(canonical):
    assert canonical_email(canonical) == canonical


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann+tag@example.com", "ann@example.com"),
        ("a.nn@example.com", "ann@example.com"),
        ("ann@strasse.example", "ann@straße.example"),
        ("ann@xn--bcher-kva.example", "ann@bucher.example"),
    ],
)
def test_different_addresses_stay_different(one, other):
    assert canonical_email(one) != canonical_email(other)


NONE = {
    "nothing": "",
    "only spaces": "   ",
    "no at": "ann.example.com",
    "no local part": "@example.com",
    "no domain": "ann@",
    "two ats": "ann@home@example.com",
    "no dot in the domain": "ann@example",
    "dotless i": "mıke@example.com",
    "umlaut before the at": "änn@example.com",
    "sharp s before the at": "strauß@example.com",
    "cyrillic a": "\u0430nn@example.com",
    "CR LF": "ann@example.com\r\nBcc: all@example.com",
    "LF before the at": "an\nn@example.com",
    "NUL": "ann\x00@example.com",
    "tab inside": "ann@exa\tmple.com",
    "space inside": "an n@example.com",
    "no-break space inside": "an\u00a0n@example.com",
    "zero-width space": "ann\u200b@example.com",
    "zero-width joiner": "ann\u200d@example.com",
    "zero-width in the domain": "ann@exam\u200bple.com",
    "word joiner": "ann\u2060@example.com",
    "byte order mark": "ann\ufeff@example.com",
    "right-to-left override": "ann\u202e@example.com",
    "soft hyphen before the at": "an\u00adn@example.com",
    "domain ends in a dot": "ann@example.com.",
    "two dots in the domain": "ann@example..com",
    "two dots before the at": "a..nn@example.com",
    "dot at the beginning": ".ann@example.com",
    "dot before the at": "ann.@example.com",
    "hyphen at the end of a label": "ann@example-.com",
    "underscore in the domain": "ann@exam_ple.com",
    "comment": "ann(comment)@example.com",
    "display name": "Ann <ann@example.com>",
    "several": "ann@example.com,bob@example.com",
    "bad punycode": "ann@xn--a.example",
    "emoji before the at": "😀@example.com",
    "lone surrogate": "\ud800@example.com",
    "local part of 65": "a" * 65 + "@example.com",
    "label of 64": "ann@" + "a" * 64 + ".com",
    "a thousand": "a" * 1000 + "@example.com",
}


@pytest.mark.parametrize("text", NONE.values(), ids=NONE)
def test_invalid_addresses_are_refused(text):
    with pytest.raises(ValidationError):
        canonical_email(text)


def of_length(length):
    """Return an address of this many characters, of labels that are each short enough."""
    rest = length - len("a" * 64 + "@")
    labels = ["b" * 60] * (rest // 61) + ["c" * (rest % 61 - 4)]
    return f"{'a' * 64}@{'.'.join(labels)}.com"


def test_an_address_has_at_most_254_characters():
    assert (len(of_length(254)), len(of_length(255))) == (254, 255)
    assert canonical_email(of_length(254)) == of_length(254)

    with pytest.raises(ValidationError) as refused:
        canonical_email(of_length(255))
    assert refused.value.code == "max_length"


@pytest.mark.django_db
def test_254_characters_can_be_registered(anonymous):
    body = {"password": PASSWORD, "name": "Ann Able"}

    assert anonymous.post(f"{API}/auth/register", body | {"email": of_length(254)}).status_code == 201
    assert problems(anonymous.post(f"{API}/auth/register", body | {"email": of_length(255)})) == [
        ("email", "max_length")
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", sorted(NONE.keys() - {"nothing", "only spaces", "lone surrogate"}))
def test_an_invalid_address_is_never_a_5xx(anonymous, kind):
    """Send it to the endpoints that store an address, and to those that look one up."""
    text = NONE[kind]
    responses = [
        anonymous.post(f"{API}/auth/{path}", {"email": text, "password": PASSWORD, "name": "Ann Able"})
        for path in ("register", "forgot-password", "login")
    ]

    assert [response.status_code for response in responses[:2]] == [400, 400]
    assert responses[2].status_code in {400, 401}


@pytest.mark.parametrize(("spelling", "canonical"), SAME.items(), ids=ascii)
def test_an_account_is_looked_up_by_the_canonical_form(spelling, canonical):
    assert lookup_email(spelling) == canonical


@pytest.mark.parametrize("text", ["ann", "MIKE@", " Ann ", "mıke@example.com"])
def test_an_invalid_address_is_looked_up_unchanged_and_matches_no_account(text):
    assert lookup_email(text) == text.strip().lower()
