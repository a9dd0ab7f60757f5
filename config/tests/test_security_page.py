"""The page about security is true: each test that it names exists, and each item of ASVS has one row."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGE = (ROOT / "docs" / "security.md").read_text()
TABLE = PAGE.partition("\n## OWASP ASVS")[2]
ROWS = re.findall(r"^\| (\d[\d., -]*) \| ([12]) \| [^|]+ \| ([a-z/ ]+) \| (.*) \|$", TABLE, re.MULTILINE)
REFERENCES = re.findall(r"`([\w./]+\.py)(?:::(\w+)(?:\[\w+\])?)?`", PAGE)
# The sections of OWASP ASVS 5.0.0 (https://github.com/OWASP/ASVS, tag v5.0.0_release, the CSV file in 5.0/docs_en): the
# numbers of their items of level 1, then those of level 2.
SECTIONS = """
1.1: | 1-2       1.2: 1-5 | 6-9    1.3: 1-2 | 3-11   1.4: | 1-3       1.5: 1 | 2
2.1: 1 | 2-3     2.2: 1-2 | 3      2.3: 1 | 2-4      2.4: | 1
3.2: 1-2 |       3.3: 1 | 2-4      3.4: 1-2 | 3-6    3.5: 1-3 | 4-5   3.7: | 1-2
4.1: 1 | 2-3     4.2: | 1          4.3: | 1-2        4.4: 1 | 2-4
5.1: | 1         5.2: 1-2 | 3      5.3: 1-2 |        5.4: | 1-3
6.1: 1 | 2-3     6.2: 1-8 | 9-12   6.3: 1-2 | 3-4    6.4: 1-2 | 3-4   6.5: | 1-5   6.6: | 1-3   6.8: | 1-4
7.1: | 1-3       7.2: 1-4 |        7.3: | 1-2        7.4: 1-2 | 3-5   7.5: | 1-2   7.6: | 1-2
8.1: 1 | 2       8.2: 1-2 | 3      8.3: 1 |          8.4: | 1
9.1: 1-3 |       9.2: 1 | 2-4
10.1: | 1-2      10.2: | 1-2       10.3: | 1-4       10.4: 1-5 | 6-11 10.5: | 1-5  10.6: | 1-2  10.7: | 1-3
11.1: | 1-2      11.2: | 1-3       11.3: 1-2 | 3     11.4: 1 | 2-4    11.5: | 1    11.6: | 1
12.1: 1 | 2-3    12.2: 1-2 |       12.3: | 1-4
13.1: | 1        13.2: | 1-5       13.3: | 1-2       13.4: 1 | 2-5
14.1: | 1-2      14.2: 1 | 2-4     14.3: 1 | 2-3
15.1: 1 | 2-3    15.2: 1 | 2-3     15.3: 1 | 2-7
16.1: | 1        16.2: | 1-5       16.3: | 1-4       16.4: | 1-3      16.5: | 1-3
17.1: | 1        17.2: | 1-4       17.3: | 1-2
"""


def numbers(text):
    first, _, last = text.strip().partition("-")
    return range(int(first), int(last or first) + 1) if first else []


def required():
    """Yield (id, level) of every item of levels 1 and 2."""
    for section, *levels in re.findall(r"(\d+\.\d+): ([\d-]*) ?\| ?([\d-]*)", SECTIONS):
        for level, text in zip("12", levels, strict=True):
            yield from ((f"{section}.{number}", level) for number in numbers(text))


def rows():
    """Yield (id, level, what shows it) of every item of the page, those of ranges one by one."""
    for ids, level, kind, _evidence in ROWS:
        for part in ids.split(", "):
            first, _, last = part.partition("-")
            section, _, number = first.rpartition(".")
            end = last.rpartition(".")[2] or number
            yield from ((f"{section}.{each}", level, kind) for each in range(int(number), int(end) + 1))


@cache
def functions(path):
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def test_every_item_of_both_levels_has_one_row():
    items = Counter((key, level) for key, level, _kind in rows())

    assert len(list(required())) == 253
    assert items == Counter(required())


def test_the_page_counts_its_rows():
    kinds = Counter(kind for _key, _level, kind in rows())
    written = dict(re.findall(r"^\| `([a-z/ ]+)` \| .* \| (\d+) \|$", TABLE, re.MULTILINE))

    assert {kind: int(number) for kind, number in written.items()} == kinds


@pytest.mark.parametrize("kind", ["test", "operator", "page"])
def test_a_row_names_what_shows_it(kind):
    sign = {"test": ".py::", "operator": "](", "page": "]("}[kind]

    assert [row for row in ROWS if row[2] == kind and sign not in row[3]] == []


@pytest.mark.parametrize(("path", "name"), sorted(set(REFERENCES)))
def test_a_test_that_is_named_exists(path, name):
    if not (ROOT / path.partition("/")[0]).exists():
        pytest.skip("of the example app, which was removed")

    assert (ROOT / path).exists()
    assert not name or name in functions(path)
