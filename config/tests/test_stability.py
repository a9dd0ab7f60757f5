"""The page of public names is true: each can be imported, and each attribute is one that core reads."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "stability.md").read_text()
TABLE = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", PAGE, re.MULTILINE)
PUBLIC = [(module, name) for module, names in TABLE for name in re.findall(r"`(\w+)`", names)]
ATTRIBUTES = re.findall(r"`(\w+)`", PAGE.partition("\nOf a viewset")[2].partition("\n\n")[0])


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_a_public_name_can_be_imported(module, name):
    assert hasattr(import_module(module), name)


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_public_attribute_is_read_by_core(name):
    sources = [path.read_text() for path in (ROOT / "core").rglob("*.py") if "tests" not in path.parts]

    assert any(re.search(rf"\b{name}\b", source) for source in sources)


def test_the_names_to_begin_with_are_public():
    guide = (ROOT / "docs" / "adopting.md").read_text()
    names = {name for _module, name in PUBLIC}
    section = guide.partition("names are enough to begin with")[2].partition("\n\n")[0]

    assert {name for name in re.findall(r"`(\w+)`", section) if name[0].isupper()} <= names
    assert "(stability.md)" in guide
