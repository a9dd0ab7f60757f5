"""Names that a new resource and its fields may have: what Python, Django, the API and the new files leave free."""

import builtins
import keyword
import re
from collections.abc import Collection, Iterable
from importlib.util import find_spec

from django.apps import apps
from django.db.models import Model
from django.urls import Resolver404, resolve

from core.db.base import BaseModel
from core.files.models import BaseAttachment
from core.scaffold import record
from core.web import errors

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
MAX_FIELD_NAME = 28  # names of constraints are made of two names, and PostgreSQL has 63 characters for them
MAX_NAME = 23  # Django allows an index 30
IRREGULAR = ("s", "x", "z", "ch", "sh")
VOWELS = "aeiou"

# Names of the API, in an object or as parameters of a list.
API_FIELDS = {
    *("attachments", "cursor", "deleted", "fields", "include", "limit", "method", "page", "scope", "search"),
    *("sort", "created_after", "created_before", "updated_after", "updated_before", "user", "user_id"),
}
# What the model, the serializer, the factory or the tests of an app use where they have the names of fields.
USED_FIELDS = {
    *("caller", "cls", "examples", "factory", "models", "objects", "self", "serializers", "settings"),
    *("str", "uuid4"),
}
# What the tests of an app use, and what its files import, without the ending: ModelSerializer is "model".
USED_NAMES = {
    *("access", "added", "admin", "anonymous", "any", "args", "attached", "attachment"),
    *("attachment_serializer", "attachment_view_set", "attachments", "base", "base_attachment"),
    *("base_attachment_admin", "base_model", "base_view_set", "before", "body", "bulk", "bulk_view_set"),
    *("caller", "changed", "class_var", "classmethod", "code", "created", "data", "date"),
    *("datetime", "db", "decimal", "deliver", "dict", "django_model", "django_model_factory", "done"),
    *("error", "etag", "export", "export_view_set", "factory", "field", "files", "first", "foreign"),
    *("found", "greater", "has_attachments", "ids", "import_view_set", "job", "job_results", "json"),
    *("kept", "key", "kwargs", "left_out", "len", "log_in", "model", "model_class", "model_serializer"),
    *("models", "more", "name", "names", "operations", "other", "others", "owner", "path", "path_of"),
    *("prepared", "problems", "pytest", "pytestmark", "q", "query", "range", "rates", "readers"),
    *("refused", "related", "request", "response", "reversed", "role", "row", "row_admin", "rows"),
    *("samples", "second", "sent", "serializers", "set", "settings", "shown", "shows_attachments"),
    *("simple_uploaded_file", "smaller", "sort", "staff", "str", "stranger", "string_field", "test"),
    *("timedelta", "trash", "trash_view_set", "updated", "user", "user_factory", "user_id", "user_id_field"),
    *("uuid4", "value", "values", "version_field"),
}


class WrongField(ValueError):
    """A field that cannot be made, with the reason."""


class WrongResource(ValueError):
    """A resource that cannot be made, with the reason."""


def plural_of(name: str) -> str:
    """Return the English plural, as far as two rules know it."""
    if name.endswith("y") and name[-2:-1] not in VOWELS:
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(IRREGULAR) else f"{name}s"


def refuse_wrong_resource_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name) or len(name) > MAX_NAME or keyword.iskeyword(name):
        raise WrongResource(
            f"{name or '(empty)'}: a {what} has letters, digits and single underscores, in lower case, "
            f"{MAX_NAME} at most, such as price_list, and is no word of Python"
        )
    if what == "name" and is_of_python(class_of(name)):
        raise WrongResource(f"{name}: the class would have the name {class_of(name)}, which is one of Python")
    if what == "name" and (name in USED_NAMES or is_of_base(name, BaseModel)):
        raise WrongResource(f"{name}: this name is taken by the files of an app")


def class_of(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def is_of_python(name: str) -> bool:
    """Return whether a class of this name is no Python, such as None, or hides what its file may use."""
    return keyword.iskeyword(name) or hasattr(builtins, name)


def refuse_wrong_parent_name(name: str) -> None:
    """Refuse a name that a member or an attachment could not have for its foreign key."""
    if name in API_FIELDS | USED_FIELDS | {"member"} or is_of_base(name, BaseAttachment):
        raise WrongResource(f"{name}: with members or attachments this name is taken by Django or the API")


def refuse_taken(plural: str, models: Collection[str], paths: Collection[str]) -> None:
    """Refuse the name of an app, a route or a model that exists."""
    if plural not in apps.app_configs and (cure := record.cure_of(plural)):
        raise WrongResource(cure)
    if find_spec(plural) is not None:
        raise WrongResource(
            f"{plural}: there is a folder or Python module of this name; choose another by --plural"
        )
    if plural in apps.app_configs:
        raise WrongResource(
            f"{plural}: this is the label of {apps.get_app_config(plural).name}; choose another by --plural"
        )
    for path in paths:
        if is_route(path):
            raise WrongResource(f"{plural}: there is a route {path} already; choose another by --plural")
    for model in apps.get_models():
        is_local = model.__module__.partition(".")[0] not in {"core", "django"}
        if is_local and model.__name__ in models:
            raise WrongResource(f"{model.__name__}: there is a model {model._meta.label} already")


def is_route(path: str) -> bool:
    """Return whether the project serves the path by anything but its response to unknown paths."""
    try:
        return resolve(path).func is not errors.not_found
    except Resolver404:
        return False


def refuse_taken_accessors(accessors: Iterable[tuple[type[Model], str]]) -> None:
    """Refuse names for the other side of a foreign key that the model there has already."""
    for model, name in accessors:
        if hasattr(model, name) or any(field.name == name for field in model._meta.get_fields()):
            raise WrongResource(
                f"{name}: {model._meta.label} has a field or attribute {name}; choose another by --plural"
            )


def refuse_wrong_field_name(name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > MAX_FIELD_NAME:
        raise WrongField(
            f"{name or '(empty)'}: a name has letters, digits and single underscores, in lower case, "
            f"{MAX_FIELD_NAME} at most, such as due_date"
        )
    if keyword.iskeyword(name) or name in API_FIELDS | USED_FIELDS or is_of_base(name, BaseModel):
        raise WrongField(f"{name}: this name is taken by Python, Django or the API")


def is_of_base(name: str, base: type) -> bool:
    columns = base._meta.fields  # type: ignore[attr-defined]
    return hasattr(base, name) or any(name in {column.name, column.attname} for column in columns)
