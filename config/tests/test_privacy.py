"""An app that holds something about people exports it, and loses it when they are erased."""

from django.contrib.auth import get_user_model

from config.tests.reading import serializer, viewset
from config.tests.sample_models import Note, NoteQuerySet
from core.api import personal_data
from core.api.routers import viewsets
from core.api.row_access import model_of
from core.backups.anonymization import plan
from core.db.access import is_by_hand
from core.db.privacy import covered

GOES_ALONG = {"CASCADE", "SET_NULL", "SET_DEFAULT", "SET"}
MISSING = """
{label} points to a user and is in no section of the personal-data export.
Declare `access` with an owner and put the model behind a viewset, or add to {app}/privacy.py:

    @exports("{name}", {model})
    def {name}(user: User) -> Any:
        return [{{"id": row.pk}} for row in {model}.objects.filter({field}=user)]
"""
BY_HAND = """
{label} is in no section of the personal-data export: its access is by hand, so it does not follow whose a row is.
Add to {queryset}, next to `visible_to`, which rows are the user's own; `self.none()` if rows are nobody's:

    def owned_by(self, user: Any) -> Self:
        return self.filter(…)

or add a section with `@exports("{name}", {model})` to {app}/privacy.py.
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


def relations_to_users():
    """Return the relations of all models to users, those without a name backwards too."""
    return [
        field
        for field in get_user_model()._meta.get_fields(include_hidden=True)
        if field.auto_created and not field.concrete and not field.related_model._meta.auto_created
    ]


def sections():
    return covered | set(personal_data.viewsets_of_owned_rows())


def missing_sections():
    """Return {model: what to add} of the models that may hold something about a person, and are in no section."""
    known = sections()
    by_relation = {item.related_model: item.field.name for item in relations_to_users()}
    behind = {model_of(view) for view in viewsets()}
    by_hand = {model for model in behind | {*by_relation} if is_by_hand(personal_data.deciding(model))}
    return {
        model: (BY_HAND if model in by_hand else MISSING).format(
            label=model._meta.label,
            app=model._meta.app_label,
            name=personal_data.section_name(model),
            model=model.__name__,
            field=by_relation.get(model),
            queryset=type(personal_data.deciding(model)._default_manager.all()).__name__,
        )
        for model in (by_hand | {*by_relation}) - known
    }


def test_every_model_with_rows_of_a_person_is_in_the_export():
    missing = missing_sections()

    assert not missing, "\n".join(missing.values())


def test_a_model_whose_access_is_by_hand_is_named_until_it_has_owned_by(serve, monkeypatch):
    serve(viewset(Note, serializer(Note, "text")))
    assert "Add to NoteQuerySet" in missing_sections()[Note]

    monkeypatch.setattr(NoteQuerySet, "owned_by", lambda rows, user: rows.filter(user=user), raising=False)
    assert Note not in missing_sections()


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
        for relation in relations_to_users()
        if not relation.many_to_many and relation.on_delete.__name__ not in GOES_ALONG
    ]

    assert not protected, "\n".join(protected)


def test_it_is_declared_what_anonymize_does_with_each_column():
    assert plan()
