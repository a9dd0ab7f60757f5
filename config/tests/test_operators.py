"""Filters with an operator, `name[op]`: their names, their values and the rows that they find."""

import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured

from accounts.tests.factories import UserFactory
from config.tests.reading import fast_and_plain, serializer, viewset
from config.tests.sample_models import Invoice, Project
from core.api.filtersets import FilterSet
from core.api.read_eligibility import refusal_of
from core.db import statements as compiled
from core.db.statements import statement_cache

pytestmark = pytest.mark.usefixtures("sample_tables")

ROUNDS = 150
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
COMPARED = ["exact", "in", "gte", "gt", "lte", "lt"]
PROJECTS = viewset(
    Project,
    serializer(Project, "name"),
    sort_fields={"createdAt": "created_at", "name": "name"},
    filterset_fields={
        "name": ["exact", "in", "icontains", "startswith", "lt"],
        "code": ["contains"],
        "budget": COMPARED,
        "due_date": [*COMPARED, "isnull", "year__gte", "year"],
        "starts_at": [*COMPARED, "isnull"],
        "effort": ["lte"],
        "version": COMPARED,
    },
)
INVOICES = viewset(Invoice, serializer(Invoice, "number"), filterset_fields=("is_paid",))


@pytest.fixture
def shown(call):
    """Return what the rows of a list show, or {parameter: code} of a refusal."""

    def of(view, user, query):
        response = json.loads(call(view, "list", user, query={"limit": 100, **query}).content)
        if "error" in response:
            assert response["error"]["code"] == "VALIDATION_ERROR"
            return {detail["field"]: detail["code"] for detail in response["error"]["details"]}
        return [row.get("name", row.get("number")) for row in response["data"]]

    return of


def test_the_names_are_those_of_the_contract():
    names = {
        name for name in PROJECTS.filterset_class.base_filters if name.startswith(("due", "name", "code"))
    }

    assert names == {
        *(f"dueDate[{each}]" for each in ("in", "gte", "gt", "lte", "lt", "isNull")),
        *("dueDate", "dueDate__year", "dueDate__year[gte]", "name", "name[in]", "name[lt]"),
        *("name[contains]", "name[startsWith]", "code[contains]"),
    }


@pytest.mark.parametrize(
    "names", ["code[gte]", "dueDate__lt", "due_date[lt]", "dueDate[LT]", "dueDate[]", "no[in]"]
)
def test_an_operator_that_is_not_declared_is_unknown(shown, ann, names):
    assert shown(PROJECTS, ann, {names: "1"}) == {names: "unknown_parameter"}


def test_two_lookups_of_one_name_are_refused_at_start():
    with pytest.raises(ImproperlyConfigured, match=r"name\[contains\]"):
        viewset(Project, serializer(Project), filterset_fields={"name": ["contains", "icontains"]})


LONG = "x" * 201
MANY = ",".join(map(str, range(101)))
WRONG = [
    *(("budget[gte]", text, "invalid") for text in ("", " ", "x", "NaN", "Infinity")),
    ("budget[gte]", "1e9999999", "max_value"),
    ("budget[gte]", "-1e9999999", "max_digits"),
    *(
        ("budget[lt]", text, code)
        for text, code in (("1e9", "max_whole_digits"), ("0.001", "max_decimal_places"))
    ),
    *(("version[gt]", text, "invalid") for text in ("1.5", "", "x", "9" * 5000)),
    *(("version[gt]", text, "max_value") for text in ("9" * 19, "9" * 100)),
    ("version", "1.5", "invalid"),
    *(("version[in]", text, "invalid") for text in ("", ",", "1,", ",1", "1,,2", "1,x")),
    ("version[in]", "1," + "9" * 30, "max_value"),
    ("version[in]", MANY, "max_length"),
    ("name[in]", MANY, "max_length"),
    *((f"name[{operator}]", LONG, "max_length") for operator in ("in", "contains", "startsWith", "lt")),
    ("name[contains]", "a\x00", "null_characters_not_allowed"),
    ("name[in]", "a,b\x00", "null_characters_not_allowed"),
    *(("name[in]", text, "invalid") for text in ("", " ", "a,")),
    *(("name[lt]", text, "invalid") for text in ("", " ")),
    *(("dueDate[isNull]", text, "invalid") for text in ("", "x", "null", "2", "yes")),
    *(("dueDate[gte]", text, "invalid") for text in ("", "x", "2026-13-01", "0000-01-01")),
    *(("startsAt[lt]", text, "invalid") for text in ("", "x", "0001-01-01T00:00:00+14:00")),
    ("startsAt[in]", "2026-01-01T00:00:00Z,x", "invalid"),
    ("effort[lte]", "x", "invalid"),
]


@pytest.mark.parametrize(("name", "text", "code"), WRONG)
def test_a_wrong_value_is_refused_by_name(shown, ann, name, text, code):
    assert shown(PROJECTS, ann, {name: text}) == {name: code}


@pytest.mark.parametrize("text", ["", "x", "null", "2"])
def test_a_boolean_is_true_or_false(shown, ann, text):
    assert shown(INVOICES, ann, {"isPaid": text}) == {"isPaid": "invalid"}


def test_only_lists_may_be_repeated(shown, ann):
    assert shown(PROJECTS, ann, {"name[in]": ["a", "b,c"]}) == []
    assert shown(PROJECTS, ann, {"budget[gte]": ["1", "2"]}) == {"budget[gte]": "repeated_parameter"}


# --- the rows -------------------------------------------------------------------------------------


@pytest.fixture
def projects(ann):
    chance = random.Random(5)
    made = [
        Project(
            name=chance.choice(["Ärger", "a%b", "A_b", "same", "Same", "\\", "'"]) + str(number),
            code=chance.choice(["", "%", "x_y", "XY"]),
            budget=Decimal(chance.randrange(-300, 300)) / 100,
            due_date=chance.choice([None, date(2025, 12, 31), date(2026, 1, 1), date(2026, 2, 1)]),
            starts_at=chance.choice([None, NOON, NOON + timedelta(microseconds=1), NOON - timedelta(days=1)]),
            user=chance.choice([ann, ann, UserFactory()]),
        )
        for number in range(25)
    ]
    Project.objects.bulk_create(made)
    return [project for project in made if project.user == ann]


TESTS = {
    "": lambda value, given: value == given,
    "[gte]": lambda value, given: value >= given,
    "[gt]": lambda value, given: value > given,
    "[lte]": lambda value, given: value <= given,
    "[lt]": lambda value, given: value < given,
}
TEXTS = ["a", "A", "%", "_", "\\", "'", "same", "Ä", "a%", "S", ""]


def condition(chance, projects):
    """Return a parameter, its value, and the test of a row in Python."""
    attribute, name = chance.choice(
        [("budget", "budget"), ("due_date", "dueDate"), ("starts_at", "startsAt")]
    )
    values = [value for row in projects if (value := getattr(row, attribute)) is not None]
    kind = chance.choice(["compared", "compared", "in", "null", "text"])
    if kind == "compared":
        operator, given = chance.choice(list(TESTS)), chance.choice(values)
        test = TESTS[operator]
        return name + operator, text_of(given), lambda row: compares(getattr(row, attribute), test, given)
    if kind == "in":
        several = chance.choices(values, k=3)
        return f"{name}[in]", ",".join(map(text_of, several)), lambda row: getattr(row, attribute) in several
    if kind == "null" and attribute != "budget":
        wanted = chance.choice([True, False])
        return f"{name}[isNull]", str(wanted), lambda row: (getattr(row, attribute) is None) is wanted
    text = chance.choice(TEXTS)
    return chance.choice(
        [
            ("name[contains]", text, lambda row: text.upper() in row.name.upper()),
            ("code[contains]", text, lambda row: text in row.code),
            ("name[startsWith]", text, lambda row: row.name.startswith(text)),
        ]
    )


def text_of(value):
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def compares(value, test, given):
    return value is not None and test(value, given)


def test_the_rows_are_those_of_the_comparison(call, shown, ann, projects, monkeypatch):
    """The plain reads find the rows that Python does, and the compiled ones respond like the plain ones."""
    statement_cache.clear()
    chance = random.Random(1)
    folds_case = not compiled.applies()  # SQLite's LIKE ignores the case of ASCII letters, and of no others
    found = 0
    for _ in range(ROUNDS):
        drawn = {}
        for _ in range(chance.randint(1, 2)):
            name, text, test = condition(chance, projects)
            drawn[name] = (text, test)
        if folds_case and any(name.endswith(("[contains]", "[startsWith]")) for name in drawn):
            continue
        query = {name: text for name, (text, _test) in drawn.items()}
        expected = [row.name for row in projects if all(test(row) for _text, test in drawn.values())]
        found += bool(expected)
        given = {**query, "sort": chance.choice(["name", "-createdAt"]), "limit": chance.choice([2, 100])}
        fast, plain = fast_and_plain(
            monkeypatch, lambda given=given: call(PROJECTS, "list", ann, query=given)
        )

        assert fast == plain
        assert (query, sorted(shown(PROJECTS, ann, query))) == (query, sorted(expected))
    assert found > 20
    assert refusal_of(PROJECTS, PROJECTS.serializer_class) is None
    assert any("startsAt[gte]" in key[-2] for key in statement_cache) is compiled.applies()


def test_a_cursor_goes_on_with_its_filters(call, ann, projects):
    names, cursor = [], ""
    while cursor is not None:
        query = {"budget[gte]": "0", "limit": 2, "sort": "name", "cursor": cursor}
        response = json.loads(call(PROJECTS, "list", ann, query=query).content)
        names += [row["name"] for row in response["data"]]
        cursor = response["meta"]["nextCursor"]

    assert sorted(names) == sorted(row.name for row in projects if row.budget >= 0)
    assert len(names) > 4


def test_a_transform_of_the_author_has_operators_too(shown, ann, projects):
    of_2025 = sorted(row.name for row in projects if row.due_date and row.due_date.year == 2025)

    assert sorted(shown(PROJECTS, ann, {"dueDate__year": "2025"})) == of_2025
    assert (
        sorted(shown(PROJECTS, ann, {"dueDate__year[gte]": "2025", "dueDate[lt]": "2026-01-01"})) == of_2025
    )


def test_a_filterset_declares_operators_as_a_view_does(shown, ann, projects):
    meta = type("Meta", (), {"model": Project, "fields": {"budget": ["gt"]}})
    view = viewset(
        Project, serializer(Project, "name"), filterset_class=type("Own", (FilterSet,), {"Meta": meta})
    )

    assert sorted(shown(view, ann, {"budget[gt]": "0"})) == sorted(
        row.name for row in projects if row.budget > 0
    )
