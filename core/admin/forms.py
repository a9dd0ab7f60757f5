"""Forms of the admin. They do not overwrite changes by other users, and do not lose typed values."""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from core.admin.bounded_forms import BoundedModelForm
from core.web.errors import ApiError

STALE = _(
    "Somebody else has saved this meanwhile. The fields below hold what you typed."
    " Change them, or save again to replace what is stored now."
)


class StaleVersion(ApiError):
    """The row was saved by somebody else after the form was rendered."""

    code = "CONFLICT"


class Difference(NamedTuple):
    label: str
    stored: str
    typed: str


class VersionedForm(BoundedModelForm):
    """A form with the version of the row that it was rendered from.

    If the row has a newer version, the form is invalid once: `conflict` holds the stored and the typed value of
    each field that differs. The form then has the newer version, so that saving it again overwrites the row.
    """

    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)
    conflict: tuple[Difference, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen_version"].initial = self.instance.version

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        seen = values.get("seen_version")
        if seen is not None and seen != self.instance.version:
            self.conflict = tuple(self.differences())
            values["seen_version"] = self.instance.version
            if self.conflict:
                self.data = data = cast("QueryDict", self.data).copy()
                data[self.add_prefix("seen_version")] = str(self.instance.version)
                self.add_error(None, ValidationError(STALE, code="stale"))
        return values

    def differences(self) -> Iterator[Difference]:
        """Yield each field whose stored value is not the one in the form."""
        for name, field in self.fields.items():
            if name == "seen_version":
                continue
            stored = readable(field, self.get_initial_for_field(field, name))
            typed = readable(field, self.cleaned_data.get(name, self[name].data))
            if stored != typed:
                yield Difference(str(self[name].label), stored, typed)


def readable(field: forms.Field, value: Any) -> str:
    """Return a value of this field as text for people."""
    if isinstance(field, forms.ModelMultipleChoiceField):
        return ", ".join(sorted(map(str, value or [])))
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        return str(dict(choices).get(value, value))
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return "" if value is None else str(value)


def refused(form: type[forms.ModelForm], refusal: ApiError) -> type[forms.ModelForm]:
    """Return a subclass of the form whose errors are the reasons of the refusal."""

    class RefusedForm(form):  # type: ignore[misc, valid-type]
        def clean(self) -> Any:
            values = super().clean()
            for problem in refusal.details or [{"field": None, "message": refusal.message}]:
                field = problem["field"]
                self.add_error(field if field in self.fields else None, problem["message"])
            return values

    return RefusedForm


class KeySelect(AutocompleteSelect):
    """Django's widget without its failure on values that are not keys, e.g. `add/?user=abc`."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        return super().optgroups(name, [key for key in value if not key or self.is_key(key)], attrs)

    def is_key(self, text: Any) -> bool:
        related: type[Model] = self.field.related_model
        try:
            related._meta.pk.to_python(text)
        except ValidationError:
            return False
        return True
