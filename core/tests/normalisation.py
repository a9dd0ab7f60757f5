"""Texts that make normalisation slow, and a count of what reaches it."""

import unicodedata

import pytest

MAX_MARKS = 30
MAX_LENGTH = 250_000
HOSTILE = {
    "marks whose order alternates": "a" + "\u0301\u0316" * 12_000,
    "halfwidth signs without a class of their own": "a" + "\uff9e\u0323" * 12_000,
    "signs that are two marks": "a" + "\u0f73\u0301" * 12_000,
}


def longest_run(text):
    longest = run = 0
    for char in text:
        run = run + 1 if unicodedata.combining(char) or char in "\u0f73\u0f75\u0f81\uff9e\uff9f" else 0
        longest = max(longest, run)
    return longest


@pytest.fixture
def normalised(monkeypatch):
    """Record the texts that exceed the limits of `unicodedata.normalize`, from every caller. They are not
    normalised."""
    excessive = []
    original = unicodedata.normalize

    def normalize(form, text):
        if len(text) > MAX_LENGTH or longest_run(text) > MAX_MARKS:
            excessive.append((form, len(text), longest_run(text)))
            return text
        return original(form, text)

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    return excessive
