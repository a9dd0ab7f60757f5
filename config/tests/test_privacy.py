"""An app that holds something about people exports it, and loses it when they are erased."""

from django.contrib.auth import get_user_model

from core.api import personal_data
from core.db.privacy import covered

GOES_ALONG = {"CASCADE", "SET_NULL", "SET_DEFAULT", "SET"}
MISSING = """
{label} points to a user and is in no section of the personal-data export.
Declare `access` with an owner and put the model behind a viewset, or add to {app}/privacy.py:

    @exports("{name}", {model})
    def {name}(user: User) -> Any:
        return [{{"id": row.pk}} for row in {model}.objects.filter({field}=user)]
"""
ANNOTATED = """
{view} leaves rows out of its queryset, so the personal-data export reads {label} without its annotations, and
{serializer} shows {source}, which is one.
Register a viewset whose queryset has no condition, or add a section with `@exports` to {app}/privacy.py.
"""
MESSAGE = """
{label}.{field} keeps a user from being erased.
Give it on_delete=models.CASCADE, or models.SET_NULL where the row is not the user's own.
"""


def test_every_model_that_points_to_a_user_is_in_the_export():
    known = covered | set(personal_data.viewsets_of_owned_rows())
    missing = [
        MISSING.format(
            label=model._meta.label,
            app=model._meta.app_label,
            name=personal_data.section_name(model),
            model=model.__name__,
            field=relation.field.name,
        )
        for relation in get_user_model()._meta.related_objects
        if (model := relation.related_model) not in known
    ]

    assert not missing, "\n".join(missing)


def test_a_section_whose_viewset_leaves_rows_out_shows_no_annotation():
    broken = [
        ANNOTATED.format(
            view=view.__name__,
            label=model._meta.label,
            serializer=view.serializer_class.__name__,
            source=field.source,
            app=model._meta.app_label,
        )
        for model, view in personal_data.viewsets_of_owned_rows().items()
        if personal_data.leaves_rows_out(view) and view.serializer_class is not None
        for field in view.serializer_class().fields.values()
        if not (field.write_only or field.source == "*" or hasattr(model, field.source.split(".")[0]))
    ]

    assert not broken, "\n".join(broken)


def test_no_row_keeps_a_user_from_being_erased():
    protected = [
        MESSAGE.format(label=relation.related_model._meta.label, field=relation.field.name)
        for relation in get_user_model()._meta.related_objects
        if relation.on_delete.__name__ not in GOES_ALONG
    ]

    assert not protected, "\n".join(protected)
