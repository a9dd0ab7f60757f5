from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from django.http import QueryDict
from django.urls import Resolver404, resolve

from core.api.caller import request_of, view_of
from core.api.viewsets import BaseViewSet
from core.db.access import access_of, is_declared
from core.web.prompts import utf8

READS = frozenset({"GET", "HEAD"})


class Command(BaseCommand):
    help = "Print which permission and which clause of the model's access admits or refuses a request."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="Id or email of the user, or `anonymous`")
        parser.add_argument("method", type=str.upper)
        parser.add_argument("path", help="Such as /api/v1/resources/018f…, with a query or without")

    def handle(self, user: str, method: str, path: str, **_options: Any) -> None:
        caller = user_named(utf8("USER", user))
        if caller.is_authenticated and not caller.is_active:
            raise CommandError(f"401: the account of {caller} is not active.")
        view = view_at(utf8("PATH", path), method, caller)
        self.stdout.write(f"{type(view).__name__}.{view.action} as {caller or 'anonymous'}")
        for line in explained(view, method in READS):
            self.stdout.write(f"  {line}")


def user_named(text: str) -> Any:
    if text == "anonymous":
        return AnonymousUser()
    rows = get_user_model()._default_manager.all()
    try:
        return rows.get(**({"email": text} if "@" in text else {"pk": text}), deleted_at=None)
    except (rows.model.DoesNotExist, ValidationError) as error:
        raise CommandError(f"There is no user {text}.") from error


def view_at(path: str, method: str, user: Any) -> Any:
    path, _, query = path.partition("?")
    try:
        match = resolve(path)
    except Resolver404 as error:
        raise CommandError(f"404: no route {path}") from error
    view_class = getattr(match.func, "cls", None)
    if not (isinstance(view_class, type) and issubclass(view_class, BaseViewSet)):
        raise CommandError(f"{path} is no route of a viewset.")
    action = match.func.actions.get(method.lower())  # type: ignore[attr-defined]
    if action is None:
        raise CommandError(f"405: {method} is not allowed at {path}")
    request = request_of(user, method, path, dict(QueryDict(query).lists()))
    return view_of(view_class, request, action, getattr(match.func, "initkwargs", {}), **match.kwargs)


def explained(view: Any, is_read: bool) -> Iterator[str]:
    """Yield a line for each permission and each clause, and last the outcome."""
    for permission in view.get_permissions():
        admits = permission.has_permission(view.request, view)
        yield f"{type(permission).__name__}: {'admits' if admits else 'refuses'}"
        if not admits:
            yield f"refused: {403 if view.request.user.is_authenticated else 401}"
            return
    # Below the objects of another viewset, these decide.
    parents = getattr(view, "parents", None)
    key = view.kwargs.get("id" if parents else view.lookup_url_kwarg or view.lookup_field)
    decides = view_of(parents, view.request, "retrieve") if parents else view
    if key is None:
        yield "no single object: the rows are those of the list"
        return
    row = decides.model._base_manager.filter(**{decides.lookup_field: key}).first()
    if row is None:
        yield f"refused: 404, there is no {decides.model.__name__} {key}"
        return
    if getattr(row, "deleted_at", None) is not None:
        yield "the row is deleted: only its trash, its history and `restore` find it"
    yield from outcome(decides, row, is_read)


def outcome(view: Any, row: Any, is_read: bool) -> Iterator[str]:
    user, model = view.request.user, view.model
    rows = model._default_manager.all()
    reads = rows.visible_to(user).filter(pk=row.pk).exists()
    writes = rows.writable_by(user).filter(pk=row.pk).exists()
    yield from clauses(model, user, row, write=False)
    if not is_read:
        yield from clauses(model, user, row, write=True)
    if not reads:
        yield "refused: 404, since the caller may not read the row"
        return
    for permission in view.get_permissions():
        if not permission.has_object_permission(view.request, view, row):
            yield f"{type(permission).__name__}: refuses this object"
            yield "refused: 403"
            return
    yield (
        "admitted"
        if is_read or writes
        else "refused: 403, since the caller may read the row, but not write it"
    )


def clauses(model: Any, user: Any, row: Any, *, write: bool) -> Iterator[str]:
    verb = "write" if write else "read"
    try:
        access = access_of(model)
    except ImproperlyConfigured:
        yield f"{verb}: decided by `{'writable_by' if write else 'visible_to'}` of {type(model.objects.all()).__name__}"
        return
    if not is_declared(type(model._default_manager.all())):
        return
    reach = access.reach(model, user, write=write)
    admitted: dict[str, Q] = access.clauses(model, user, reach, write=write, with_public=not write)
    for name, condition in admitted.items():
        admits = model._base_manager.filter(condition, pk=row.pk).exists()
        value = getattr(access, name)
        yield f"{verb}, {name}={value!r}: {'admits' if admits else 'does not admit'}"
