"""What the forms of the admin share: their texts are bounded as those of the API are (core/text.py)."""

from typing import Any

from django import forms

from core.text import refuse_mark_runs


class BoundedForm(forms.BaseForm):
    """A mixin: every text field refuses too many combining marks in a row, before any `clean_…` method sees it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.CharField):
                field.validators.append(refuse_mark_runs)


class BoundedModelForm(BoundedForm, forms.ModelForm):
    """A ModelForm with bounded texts."""
