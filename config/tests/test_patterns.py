"""Every regular expression of the product takes time that grows with its text, and not with the square of it.

A text that a pattern matches is a way into it. Each short part of such a text is repeated twenty thousand times,
and what follows makes the match fail, so that the pattern tries every other division of the text.
"""

import ast
import re
import time
from importlib import import_module

import pytest
from django.core.validators import RegexValidator
from django.urls import get_resolver
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from config.tests import inventory
from core.web.middleware import MAX_PATH_LENGTH

pytestmark = pytest.mark.once

# A pattern that is exponential or worse than a square is found by one of the short ones: it would never end with many.
# Each is little longer than the one before, so that none of them takes minutes on a machine of any speed.
SHORT, MANY = (22, 25, 28, 100, 200, 500, 1500), 20_000
MAX_SECONDS = 0.1  # linear patterns take a hundredth of it
FAILING = ("!", "\0")  # after the repetitions
# Texts that Hypothesis finds slowly or never.
SEEDS = {
    "core/web/text.py: MARKS": ["a\u0301\u0316"],
    "core/web/text.py: SUSPICIOUS_RUN": ["a\u0301\u0316"],
    "core/api/serializers.py: HUMP": ["aBC"],
    "core/files/names.py: ENCODED": ["%2e=?=?x"],
    "core/importexport/csv_tables.py: SEPARATOR": [' "sep=,,"\t;\n', "sep=,"],
}
TREES = {path: ast.parse(text) for path, text in inventory.sources().items()}
FUNCTIONS = {"match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}


def compiled():
    """Return {name: pattern} of the constants of every module."""
    result = {}
    for path, text in inventory.sources().items():
        if "re.compile(" not in text:
            continue
        module = import_module(path.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                result[f"{path}: {name}"] = value
    return result


def uses():
    """Return {name of a constant: the methods that are called on it}, in any module."""
    result = {}
    for tree in TREES.values():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in FUNCTIONS
                and isinstance(node.value, ast.Name)
            ):
                result.setdefault(node.value.id, set()).add(node.attr)
    return result


def of_routes(resolver=None):
    """Yield the pattern of every route, those of the admin included."""
    for entry in (resolver or get_resolver()).url_patterns:
        if entry.pattern.regex.pattern:
            yield entry.pattern.regex
        yield from of_routes(entry) if hasattr(entry, "url_patterns") else ()


def of_fields():
    """Yield the pattern of every validator of a serializer's field and of a filter."""
    for view in inventory.api_views().values():
        serializer = getattr(view, "serializer_class", None)
        filterset = getattr(view, "filterset_class", None)
        fields = list(serializer().fields.values()) if serializer else []
        fields += [item.field for item in filterset.base_filters.values()] if filterset else []
        for field in fields:
            for validator in getattr(field, "validators", ()):
                if isinstance(validator, RegexValidator):
                    yield validator.regex


USES = uses()
PATTERNS = compiled()
ROUTES = {pattern.pattern: pattern for pattern in of_routes()}
FIELDS = {pattern.pattern: pattern for pattern in of_fields()}
SEARCHING = {"search", "sub", "subn", "split", "findall", "finditer"}


def attacks(pattern, text, length):
    """Yield texts of a length that lead into the pattern, repeat a part, and then fail."""
    text = text[:16]
    for start in range(len(text)):
        for part in (text[start : start + 1], text[start : start + 2]):
            repeated = text[:start] + part * length
            for end in FAILING:
                yield repeated[:length] + (end.encode() if isinstance(pattern.pattern, bytes) else end)


def slow(pattern, method, text, length):
    """Return the beginning and the end of the first attack that takes too long, or None."""
    for attack in attacks(pattern, text, length):
        started = time.thread_time()
        if method == "search":
            pattern.search(attack)
        elif method == "fullmatch":
            pattern.fullmatch(attack)
        else:
            pattern.match(attack)
        if time.thread_time() - started > MAX_SECONDS:
            return attack[:40], attack[-1:]
    return None


def check(pattern, methods, seeds=(), length=MANY):
    kinds = sorted({"search" if method in SEARCHING else method for method in methods})

    def linear(text):
        for kind in kinds:
            for each in (*(few for few in SHORT if few < length), length):
                assert slow(pattern, kind, text, each) is None

    for text in seeds:
        linear(text)
    if not seeds:
        drawn(st.from_regex(pattern, fullmatch=True), linear)


def drawn(strategy, test):
    quick = settings(
        max_examples=6,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    seed(1)(quick(given(strategy)(test)))()


@pytest.mark.parametrize(
    ("slow_one", "seeds"),
    [
        (r"[a-z]+\s*\s*:", ["a :"]),
        (r"(a+)+:", ["aa:"]),
        (r"sep=([^\w])\1*[,;]*\n", ["sep=,"]),
        (rb"x\s*\s*:", [b"x "]),
        (r"a*a*a*:", ["aa:"]),
    ],
)
def test_the_check_finds_a_slow_pattern(slow_one, seeds):
    with pytest.raises(AssertionError):
        check(re.compile(slow_one), {"fullmatch"}, seeds)


def test_there_are_patterns_and_each_is_used():
    assert {"core/web/text.py: MARKS", "accounts/tokens.py: COMPACT", *SEEDS} <= set(PATTERNS)
    assert {name.split()[1] for name in PATTERNS} <= set(USES)
    assert any("api/v1/" in pattern for pattern in ROUTES)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_of_a_module_is_linear(name):
    check(PATTERNS[name], USES[name.split()[1]], SEEDS.get(name, ()))


def test_the_patterns_of_fields_are_linear():
    for pattern in FIELDS.values():
        check(pattern, {"search"})


@pytest.mark.parametrize("pattern", ROUTES.values(), ids=ROUTES)
def test_the_pattern_of_a_route_takes_a_path_of_the_largest_length(pattern):
    """Those of Django's admin are not linear."""
    check(pattern, {"search"}, length=MAX_PATH_LENGTH)


def test_no_pattern_is_written_where_it_is_used():
    """Such a pattern would be in no list here. Without a constant it has no name either."""
    direct = [
        f"{path}:{node.lineno}"
        for path, tree in TREES.items()
        for name, node in inventory.calls(tree)
        if name in FUNCTIONS and getattr(getattr(node.func, "value", None), "id", "") == "re"
    ]

    assert direct == []
