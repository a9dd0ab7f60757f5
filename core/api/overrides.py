"""Search for hooks of the framework that a class overrides: a read with none of them can be compiled."""

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property, partialmethod
from types import FunctionType
from typing import Any

from django.utils.functional import cached_property as django_cached_property

# The packages and modules whose code the tests compare with the plain reads. A new module of core is not among them.
PACKAGES = frozenset({"django", "rest_framework", "django_filters", "builtins", "typing", "abc", "functools"})
MODULES = frozenset(
    {
        *(
            f"core.api.{name}"
            for name in (
                "row_access",
                "viewsets",
                "views",
                "serializers",
                "filters",
                "filtersets",
                "pagination",
            )
        ),
        *(
            f"core.api.{name}"
            for name in ("idempotency", "mixins.trash", "mixins.history", "mixins.bulk", "mixins.changes")
        ),
        *("core.db.access", "core.db.base", "core.db.search", "core.files.models"),
        *("core.files.attachments.views", "core.files.attachments.serializers"),
        *("core.importexport.exports", "core.importexport.views"),
    }
)
# It wraps inherited methods to describe them (`extend_schema_view`).
DESCRIBING = "drf_spectacular.utils"


def override_of(
    kind: type, *, allowed: frozenset[str] = frozenset(), among: frozenset[str] | None = None
) -> str | None:
    """Return the first member of a framework class that `kind` replaces by code of somebody else, or None.

    Names in `allowed` do not count; with `among` only those in it do.
    """
    bases = kind.__mro__
    for position, owner in enumerate(bases):
        for name, member in vars(owner).items():
            if name in allowed or (among is not None and name not in among):
                continue
            functions = functions_of(member)
            if functions is None:
                replaces = is_unknown_code(member) and any(map(is_code_of(name), bases[position + 1 :]))
            else:
                foreign = not all(is_own_code(owner, function) for function in functions)
                replaces = foreign and any(is_framework_member(base, name) for base in bases[position + 1 :])
            if replaces:
                return f"{owner.__name__}.{name}"
    return None


def is_own_code(owner: type, function: Any) -> bool:
    """Return whether a framework class holds a framework function, or any class one that is wrapped to be described."""
    if module_of(function) == DESCRIBING:
        return is_framework(getattr(function, "__wrapped__", None))
    return is_of_framework(owner.__module__) and is_framework(function)


def is_unknown_code(member: Any) -> bool:
    """Return whether the member is a callable or descriptor of unknown code. A class, such as a serializer, is data."""
    return not isinstance(member, type) and (callable(member) or hasattr(type(member), "__get__"))


def is_code_of(name: str) -> Callable[[type], bool]:
    return lambda base: functions_of(vars(base).get(name)) is not None


def is_framework_member(owner: type, name: str) -> bool:
    if name not in vars(owner):
        return False
    functions = functions_of(vars(owner)[name])
    return is_of_framework(owner.__module__) if functions is None else all(map(is_framework, functions))


def functions_of(member: Any) -> list[Any] | None:
    """Return the functions behind a member of a class, or None for data."""
    if isinstance(member, FunctionType):
        return [member]
    if isinstance(member, classmethod | staticmethod):
        return [member.__func__]
    if isinstance(member, property):
        return [function for function in (member.fget, member.fset, member.fdel) if function is not None]
    if isinstance(member, cached_property | django_cached_property | partialmethod):
        return [member.func]
    return None


def is_framework(function: Any) -> bool:
    """Return whether the function is the framework's, and so are all that it wraps or closes over: a decorator of the
    framework may call an author's code. `__module__` would be that of the wrapped function."""
    if not isinstance(function, FunctionType):
        return function is not None and is_of_framework(module_of(function))
    if not is_of_framework(module_of(function)):
        return False
    wrapped = getattr(function, "__wrapped__", None)
    return (wrapped is None or is_framework(wrapped)) and all(map(is_framework, closed_over(function)))


def closed_over(function: FunctionType) -> Iterable[FunctionType]:
    for value in inspect.getclosurevars(function).nonlocals.values():
        for item in value if isinstance(value, list | tuple) else (value,):
            if isinstance(item, FunctionType):
                yield item


def module_of(function: Any) -> str:
    return str(
        getattr(function, "__globals__", {}).get("__name__", "") or getattr(function, "__module__", "") or ""
    )


def is_of_framework(module: str) -> bool:
    return module in MODULES or module.partition(".")[0] in PACKAGES
