"""Bases of the forms of the admin, with the limits of texts of the API (core/web/text.py)."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from core.web.text import refuse_mark_runs, shortened


class BoundedForm(forms.BaseForm):
    """A mixin: every text field refuses too many combining marks in a row, before any `clean_…` method runs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.CharField):
                field.validators.append(refuse_mark_runs)


class BoundedModelForm(BoundedForm, forms.ModelForm):
    """A ModelForm with bounded texts."""


class KeysField(forms.ModelMultipleChoiceField):
    """Rows by their keys. A number that no key can be is an error of the field; the database fails on it."""

    def clean(self, value: Any) -> Any:
        key = self.queryset.model._meta.pk  # type: ignore[union-attr]
        for text in value or ():
            try:
                key.run_validators(key.to_python(text))
            except ValidationError as error:
                params = {"pk": shortened(str(text))}
                message = self.error_messages["invalid_pk_value"]
                raise ValidationError(message, code="invalid_pk_value", params=params) from error
        return super().clean(value)
