"""A row of any model for any user, by the factories of the apps: for the tests that go through all routes.

A factory makes a row of a user by the path to its owner, or below a parent of the user's. Where no path leads to one
user (members, public rows without an owner, access by hand), the factory has a classmethod `make_for(user)`.
"""

from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from factory.django import DjangoModelFactory

from config.tests.inventory import APPS
from core.api.personal_data import parent_of
from core.db.access import target_of

NO_FACTORY = """
{label} has no factory. Add to {app}/tests/factories.py:

    class {model}Factory(DjangoModelFactory):
        class Meta:
            model = {model}

with a value for each field that has no default, such as `user = factory.SubFactory(UserFactory)`.
"""
NO_ROW_OF_A_USER = """
No path leads from {label} to one user, so the tests do not know how to make a row of a user. Add to {model}Factory in
{app}/tests/factories.py:

    @classmethod
    def make_for(cls, user):
        \"\"\"Create a row that the user may read and write.\"\"\"
        return cls(…)
"""


def factories():
    """Return {model: factory} of every app."""
    result = {}
    for app in APPS:
        if (Path(settings.BASE_DIR) / app / "tests" / "factories.py").exists():
            for item in vars(import_module(f"{app}.tests.factories")).values():
                if isinstance(item, type) and issubclass(item, DjangoModelFactory) and item._meta.model:
                    result.setdefault(item._meta.model, item)
    return result


def factory_of(model):
    made_by = factories().get(model)
    assert made_by, NO_FACTORY.format(**names_of(model))
    return made_by


def row_of(model, user):
    """Create a row of the user. Of the users themselves it is the user."""
    problem = problem_of(model)
    assert not problem, problem
    if model is get_user_model():
        return user
    made_by, owner, parent = factory_of(model), owner_of(model), parent_of(model)
    if hasattr(made_by, "make_for"):
        return made_by.make_for(user)
    return made_by(**({owner: user} if owner else {parent: row_of(target_of(model, parent), user)}))


def problem_of(model):
    """Return what an app lacks to make a row of a user, or ""."""
    if model is get_user_model():
        return ""
    made_by = factories().get(model)
    if made_by is None:
        return NO_FACTORY.format(**names_of(model))
    if hasattr(made_by, "make_for") or owner_of(model):
        return ""
    parent = parent_of(model)
    return problem_of(target_of(model, parent)) if parent else NO_ROW_OF_A_USER.format(**names_of(model))


def owner_of(model):
    access = getattr(model, "access", None)
    return access.owner if access is not None else ""


def names_of(model):
    return {"label": model._meta.label, "app": model._meta.app_label, "model": model.__name__}
