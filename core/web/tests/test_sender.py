"""DEFAULT_FROM_EMAIL is checked at the start."""

import pytest
from environs import EnvError

from core.web.environment import parse_sender


@pytest.mark.parametrize(
    "text",
    [
        "noreply@localhost",
        "Product <noreply@example.com>",
        "Acme Inc. <noreply@example.com>",
        '"Acme, Inc." <noreply@example.com>',
        "Büro <noreply@bücher.example>",
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(text):
    assert parse_sender(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("noreply", "<>", "X <x@>", "X <@example.com>", "X <x@example.com", "X <x@example.com> y"),
        *("a@example.com, b@example.com", "Acme, Inc. <x@example.com>", "undisclosed:;", "x@exam ple.com"),
        *("X <x@example.com>\r\nBcc: evil@example.com", "X\nY <x@example.com>", "ü@example.com"),
    ],
)
def test_any_other_sender_is_refused(text):
    with pytest.raises(EnvError, match="must be one address"):
        parse_sender(text)
