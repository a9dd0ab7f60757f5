"""The fields of a new resource: `name:type[:options]`, as Python source for its files."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from core.api.serializers import camel
from core.db.access import owner_path
from core.scaffold.names import class_of

CALLERS = ("caller", "owner", "stranger")


@dataclass(frozen=True)
class Kind:
    """A type of field."""

    name: str
    model_class: str
    value: Callable[["Field"], Any]
    other_value: Callable[["Field"], Any]
    model_arguments: Callable[["Field"], list[str]] = lambda _field: []
    serializer_field: Callable[["Field"], str] | None = None
    sequence: Callable[["Field"], str] | None = None  # distinct values, for the factory; None: never unique
    lookups: tuple[str, ...] = ()
    wrong_values: Collection[Any] = ()
    default: str | None = None
    searched: Callable[["Field"], str] = lambda _field: ""  # a value that a search for "zeb" finds
    max_length: Callable[["Field"], int] = lambda _field: 0
    allows_blank: bool = False
    is_string: bool = False
    is_sortable: bool = False
    is_searched: bool = False


@dataclass(frozen=True)
class Field:
    """A field of the new model. The attributes of text are Python source."""

    name: str
    kind: Kind
    null: bool = False
    unique: str = ""  # "", "unique" (for each owner) or "unique-global"
    argument: str = ""
    target: Any = None  # of a foreign key: the model
    choices: Sequence[str] = ()

    @property
    def api_name(self) -> str:
        return camel(self.name) + ("Id" if self.target else "")

    @property
    def label(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def choices_class(self) -> str:
        return class_of(self.name)

    @property
    def is_required(self) -> bool:
        """Return whether the body of a creation needs the field."""
        return not self.null and self.kind.default is None and not self.choices

    @property
    def model_arguments(self) -> str:
        given = self.kind.model_arguments(self)
        default = self.kind.default if not self.null else None
        if self.choices and not self.null:
            default = f"{self.choices_class}.{constant(self.choices[0])}"
        if default is not None:
            given.append(f"default={default}")
        if self.null:
            given.append("null=True")
        if self.null or self.kind.allows_blank:
            given.append("blank=True")
        return ", ".join(given)

    @property
    def serializer_field(self) -> str:
        """The declaration in the serializer; "" where REST framework makes it from the model."""
        return self.kind.serializer_field(self) if self.kind.serializer_field else ""

    @property
    def noqa(self) -> str:
        """The reason of NULL in a text: it is null in JSON, and many rows may be without a unique value."""
        return "  # noqa: DJ001" if self.null and self.kind.is_string else ""

    # --- values of the API ----------------------------------------------------------------------------

    @property
    def value(self) -> Any:
        return self.choices[0] if self.choices else self.kind.value(self)

    @property
    def other_value(self) -> Any:
        return self.choices[-1] if self.choices else self.kind.other_value(self)

    @property
    def sources(self) -> dict[str, str]:
        """Values of the field, as source."""
        values = {"value": self.value, "other": self.other_value, "searched": self.kind.searched(self)}
        smaller, greater = sorted((self.value, self.other_value)) if self.kind.is_sortable else (None, None)
        return {
            name: repr(value) for name, value in {**values, "smaller": smaller, "greater": greater}.items()
        }

    @property
    def objects(self) -> dict[str, str]:
        """The source of a row for this foreign key, for each caller of the tests."""
        if is_user(self.target):
            return {name: f"{name}.user" for name in CALLERS}
        path = owner_path(self.target)
        return {name: f"{self.target.__name__}Factory({path}={name}.user)" for name in CALLERS}

    @property
    def rows(self) -> dict[str, str]:
        """The same, as the key in a body."""
        return {name: f"str({source}.pk)" for name, source in self.objects.items()}

    @property
    def is_user(self) -> bool:
        return is_user(self.target)

    @property
    def parameter(self) -> str:
        """The name of the filter."""
        return camel(self.name)

    @property
    def members(self) -> list[tuple[str, str]]:
        return [(constant(choice), choice) for choice in self.choices]

    @property
    def wrong_sources(self) -> list[str]:
        """Values that the API refuses, as source."""
        wrong = [repr(value) for value in self.kind.wrong_values]
        wrong += [] if self.null else ["None"]
        longest = self.kind.max_length(self)
        return [*wrong, f'"x" * {longest + 1}'] if longest else wrong

    @property
    def factory_value(self) -> str:
        if self.unique and self.kind.sequence:
            return self.kind.sequence(self)
        return repr(self.value)

    @property
    def lookups(self) -> tuple[str, ...]:
        null = ("isnull",) if self.null and self.kind.lookups else ()
        return (*self.kind.lookups, *null)


def constant(choice: str) -> str:
    return choice.replace("-", "_").upper()


def is_user(model: Any) -> bool:
    return model is not None and bool(model._meta.label == settings.AUTH_USER_MODEL)
