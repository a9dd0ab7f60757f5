"""The types of fields that a new resource may have, as Python source for its files."""

from collections.abc import Callable

from core.scaffold.fields import Field, Kind

MAX_LENGTH = 2000  # of a line of text
MAX_DIGITS = 30
DIGITS = 8  # of a number that makes a text of the tests unique, with a space
OPTIONAL = "required=False, allow_null=True"  # arguments of a serializer's field


def text_of(given: Field) -> str:
    """Return a text that fits, and is less than the other."""
    return given.label[: length_of(given) - 2].strip() if length_of(given) > 2 else "A"


def other_text_of(given: Field) -> str:
    return f"{text_of(given)} 2" if length_of(given) > 2 else "B"


def numbered_texts(given: Field) -> str:
    length = length_of(given)
    if length <= DIGITS:
        return f"factory.Sequence(lambda n: str(n)[-{length}:])"
    return f'factory.Sequence(lambda n: f"{given.label[: length - DIGITS].strip()} {{n}}")'


def length_of(given: Field) -> int:
    return int(given.argument or 200)


def digits_of(given: Field) -> tuple[int, int]:
    digits, places = (given.argument or "12,2").split(",")
    return int(digits), int(places)


def string_field(given: Field) -> str:
    return f"StringField(min_length=1, max_length={length_of(given)}, {OPTIONAL})" if given.null else ""


def text_field(given: Field) -> str:
    optional = OPTIONAL if given.null else 'allow_blank=True, default=""'
    return f"StringField(max_length=10_000, trim_whitespace=False, {optional})"


def choice_field(given: Field) -> str:
    """Return what declares an optional choice, for the reason of an optional address."""
    choices = f"choices={{model}}.{given.choices_class}.choices"
    return f"serializers.ChoiceField({choices}, {OPTIONAL})" if given.null else ""


def address_field(name: str, longest: int) -> Callable[[Field], str]:
    """Return what declares an optional address: REST framework would take an empty text for the model's `blank`."""
    declaration = f"serializers.{name}(max_length={longest}, {OPTIONAL})"
    return lambda given: declaration if given.null else ""


def number_field(given: Field) -> str:
    optional = f", {OPTIONAL}" if given.null else ""
    return f"serializers.IntegerField(min_value=-2_147_483_648, max_value=2_147_483_647{optional})"


def relation_field(given: Field) -> str:
    rows = f'queryset={given.target.__name__}.objects.all(), source="{given.name}"'
    optional = f", {OPTIONAL}" if given.null else ""
    return f"serializers.PrimaryKeyRelatedField({rows}{optional})"


def amount(given: Field, number: int) -> str:
    places = digits_of(given)[1]
    return f"{number}.{'5'.ljust(places, '0')}" if places else str(number)


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "str",
            "models.CharField",
            text_of,
            other_text_of,
            lambda given: [f"max_length={length_of(given)}"],
            string_field,
            sequence=numbered_texts,
            lookups=("exact",),
            wrong_values=("", 12, ["x"], "\0"),
            searched=lambda given: "Zebra crossing" if length_of(given) > 20 else "",
            max_length=length_of,
            is_string=True,
            is_sortable=True,
            is_searched=True,
        ),
        Kind(
            "text",
            "models.TextField",
            lambda given: f"{given.label}: a longer text.",
            lambda given: f"{given.label}: a shorter one.",
            lambda _given: ["max_length=10_000"],
            text_field,
            wrong_values=(12, "\0"),
            default='""',
            max_length=lambda _given: 10_000,
            allows_blank=True,
            is_string=True,
        ),
        Kind(
            "int",
            "models.IntegerField",
            lambda _given: 3,
            lambda _given: 5,
            serializer_field=number_field,
            sequence=lambda _given: "factory.Sequence(lambda n: n + 100)",
            lookups=("exact", "gte", "lte"),
            wrong_values=("x", "1.5", 2**31, [1]),
            is_sortable=True,
        ),
        Kind(
            "decimal",
            "models.DecimalField",
            lambda given: amount(given, 1),
            lambda given: amount(given, 2),
            lambda given: [f"max_digits={digits_of(given)[0]}", f"decimal_places={digits_of(given)[1]}"],
            sequence=lambda given: "factory.Sequence(lambda n: Decimal(n) + 3)",
            lookups=("exact", "gte", "lte"),
            wrong_values=("x", "NaN", "1e400", {}),
            is_sortable=True,
        ),
        Kind(
            "bool",
            "models.BooleanField",
            lambda _given: False,
            lambda _given: True,
            lookups=("exact",),
            wrong_values=("x", [True]),
            default="False",
        ),
        Kind(
            "date",
            "models.DateField",
            lambda _given: "2026-12-31",
            lambda _given: "2027-01-31",
            sequence=lambda _given: "factory.Sequence(lambda n: date(2026, 1, 1) + timedelta(days=n))",
            lookups=("exact", "gte", "lte"),
            wrong_values=("x", "2026-02-30", 12),
            is_sortable=True,
        ),
        Kind(
            "datetime",
            "models.DateTimeField",
            lambda _given: "2026-12-31T12:00:00Z",
            lambda _given: "2027-01-31T12:00:00Z",
            sequence=lambda _given: (
                "factory.Sequence(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=n))"
            ),
            lookups=("gte", "lte"),
            wrong_values=("x", "2026-02-30T12:00:00Z", 12),
            is_sortable=True,
        ),
        Kind(
            "uuid",
            "models.UUIDField",
            lambda _given: "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17",
            lambda _given: "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c18",
            sequence=lambda _given: "factory.LazyFunction(uuid4)",
            lookups=("exact",),
            wrong_values=("x", [1]),
        ),
        Kind(
            "json",
            "models.JSONField",
            lambda _given: {"key": ["value"]},
            lambda _given: {"other": 1},
            wrong_values=({"key": "\0"},),
            default="dict",
            allows_blank=True,
        ),
        Kind(
            "choice",
            "models.CharField",
            lambda _given: "",
            lambda _given: "",
            lambda given: [
                f"max_length={max(map(len, given.choices))}",
                f"choices={given.choices_class}.choices",
            ],
            choice_field,
            lookups=("exact", "in"),
            wrong_values=("none of them", "", 12),
            is_string=True,
            is_sortable=True,
        ),
        Kind(
            "email",
            "models.EmailField",
            lambda _given: "ada@example.com",
            lambda _given: "bob@example.com",
            serializer_field=address_field("EmailField", 254),
            sequence=lambda _given: 'factory.Sequence(lambda n: f"person{n}@example.com")',
            lookups=("exact",),
            wrong_values=("", "x", "a@b@example.com"),
            searched=lambda _given: "zebra@example.com",
            is_string=True,
            is_searched=True,
        ),
        Kind(
            "url",
            "models.URLField",
            lambda _given: "https://example.com/",
            lambda _given: "https://example.org/",
            lambda _given: ["max_length=500"],
            address_field("URLField", 500),
            sequence=lambda _given: 'factory.Sequence(lambda n: f"https://example.com/{n}")',
            wrong_values=("", "x", "javascript:alert(1)"),
            is_string=True,
        ),
        Kind(
            "fk",
            "models.ForeignKey",
            lambda _given: None,
            lambda _given: None,
            serializer_field=relation_field,
            sequence=lambda _given: "",
            lookups=("exact",),
            wrong_values=("x", "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17", [1]),
        ),
    )
}
