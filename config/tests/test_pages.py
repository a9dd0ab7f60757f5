"""The pages for people are true: each link, make target and command that they name exists."""

import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
TOP = ("README.md", "CONTRIBUTING.md", "AGENTS.md", "SECURITY.md")
# A product may have removed some of them.
PAGES = [path for path in map(ROOT.joinpath, TOP) if path.exists()] + sorted((ROOT / "docs").rglob("*.md"))
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
MAKE = re.compile(r"\bmake (?:[A-Z]+=\S+ +)*([a-z][a-z-]*)")
COMMAND = re.compile(r"\bmanage\.py ([a-z]\w*)")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
pytestmark = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@cache
def headings(path):
    """Return the names by which links lead to the headings of a page."""
    text = FENCE.sub("", path.read_text())
    return {
        re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def code_of(page):
    """Return what the page shows as code: prose may say "make it yours"."""
    text = page.read_text()
    return "\n".join(FENCE.findall(text) + CODE.findall(FENCE.sub("", text)))


def test_a_link_leads_to_a_file_and_a_heading(page):
    dead = []
    for target, heading in LINK.findall(FENCE.sub("", page.read_text())):
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (heading and heading not in headings(path)):
            dead.append(f"{target}#{heading}")

    assert dead == []


def test_a_make_target_exists(page):
    assert set(MAKE.findall(code_of(page))) <= TARGETS


def test_a_command_exists(page):
    assert set(COMMAND.findall(code_of(page))) <= set(get_commands())
