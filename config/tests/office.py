"""Every list of the admin, with a row of each, for the tests that walk through all of them."""

from django.apps import apps
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.db.models.constants import LOOKUP_SEP

from config.tests.rows import factory_of
from core.jobs.models import Job
from core.outbox.models import OutboxMessage


def registered():
    return [model for model in apps.get_models() if site.is_registered(model)]


def row_of(model, **values):
    if model is Group:
        return Group.objects.create(name=f"Group {Group.objects.count()}")
    return factory_of(model)(**values)


def rows_of_all(user):
    """Create {model: a row}, the user's where rows have an owner, with the request id `asked-1` where they have
    one."""
    result = {}
    for model in registered():
        names = {field.name for field in model._meta.fields}
        values = {"user": user} if "user" in names else {}
        if model in {Job, OutboxMessage}:
            values["request_id"] = "asked-1"
        result[model] = row_of(model, **values)
    return result


def paths(model, depth=3):
    """Yield `password`, `user__password`, `user__sessions__refresh_hash`, …: every column and relation, both ways."""
    for field in model._meta.get_fields():
        # Where a relation has no name backwards, the lookup is none either.
        name = field.name if field.concrete or not field.hidden else None
        if name is None or name.endswith("+"):
            continue
        yield name
        if field.is_relation and depth > 1 and field.related_model:
            for path in paths(field.related_model, depth - 1):
                yield f"{name}{LOOKUP_SEP}{path}"


SECRET = ("password", "hash", "token", "lease_id", "session_epoch", "payload")


def is_secret(path):
    return any(word in path.split(LOOKUP_SEP)[-1] for word in SECRET)
