"""Actions on one row: a button on its page with a confirmation, and the same action for many rows of a list."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from core.admin.actions import BulkAdmin, reason
from core.audit import services as audit
from core.audit.refusals import record_forbidden
from core.web.errors import ApiError, translate


def always(_row: Any) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class RowAction:
    """An action of staff on a row. `run(row, actor)` calls a service, which checks the rules and writes the audit
    event. It returns False if there was nothing to do, or a response, such as a file. The row is locked.

    A user needs one of `permissions` (`app.code`); without any the action is for admins only. `applies` decides whether
    the page of a row shows its button. `is_final` marks an action that cannot be undone.
    """

    name: str
    label: Any
    run: Callable[[Any, Any], Any]
    done: Any
    consequence: Any
    permissions: tuple[str, ...] = ()
    applies: Callable[[Any], bool] = always
    in_list: bool = True
    is_final: bool = False

    def permits(self, user: Any) -> bool:
        return user.is_superuser or any(user.has_perm(code) for code in self.permissions)


class Button(NamedTuple):
    label: Any
    address: str
    is_final: bool = False


class RowActionsAdmin(BulkAdmin):
    """Declare `row_actions`: each has a button on the page of its row, and is an action of the list."""

    row_actions: ClassVar[tuple[RowAction, ...]] = ()
    always_personal: ClassVar = False  # whether a view is recorded also for a row without an owner

    def permits(self, request: HttpRequest, action: RowAction, row: Any) -> bool:
        """Return whether the user may do this to the row."""
        return self.has_view_permission(request, row) and action.permits(request.user)

    def get_actions(self, request: HttpRequest) -> Any:
        actions: dict[str, Any] = super().get_actions(request)
        for action in self.row_actions if self.actions is not None else ():
            if action.in_list and action.permits(request.user):
                actions[action.name] = (in_list(action), action.name, action.label)
        return actions

    def buttons(self, request: HttpRequest, row: Any) -> Iterator[Button]:
        """Yield the buttons on the page of the row: those that this user may press and that have an effect."""
        for action in self.row_actions:
            if self.permits(request, action, row) and action.applies(row):
                yield Button(action.label, self.address_of(row, "do", action.name), action.is_final)

    def address_of(self, row: Model, page: str, *more: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[row.pk, *more])

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(self.row_action_view)
        return [path("<path:object_id>/do/<slug:name>/", view, name=name), *super().get_urls()]

    def row_action_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
        """Show what the action will do, and do it after the confirmation."""
        row = self.get_object(request, unquote(object_id))
        action = next((action for action in self.row_actions if action.name == name), None)
        if row is None or action is None:
            raise Http404
        if not self.permits(request, action, row):
            raise PermissionDenied
        if request.method == "POST":
            return self.run_on_row(request, action, row)
        self.record_view(request, row)
        context = {
            **self.admin_site.each_context(request),
            "title": action.label,
            "opts": self.opts,
            "original": row,
            "action": action,
            "applies": action.applies(row),
            "address": self.address_of(row, "change"),
        }
        return TemplateResponse(request, "admin/row_action.html", context)

    def run_on_row(self, request: HttpRequest, action: RowAction, row: Any) -> HttpResponseBase:
        try:
            with transaction.atomic():
                held = self.locked_row(row.pk)
                result = (
                    action.run(held, request.user) if held is not None and action.applies(held) else False
                )
        except (ApiError, OperationalError) as error:
            refusal = translate(error) or ApiError()
            if refusal.code == "FORBIDDEN":
                record_forbidden(request)
            messages.error(request, reason(refusal))
        else:
            if isinstance(result, HttpResponseBase):
                return result
            if result is False:
                messages.warning(request, _("There was nothing to do."))
            else:
                messages.success(request, f"{row}: {action.done}.")
        return redirect(self.address_of(row, "change"))

    def record_view(self, request: HttpRequest, row: Any) -> None:
        """Record that a member of staff has viewed personal data, also in a form that is rendered again."""
        actor: Any = request.user
        target = self.personal(row) if row is not None else None
        if target is not None and (self.always_personal or audit.subject_of(target)):
            audit.record_view(actor_id=actor.pk, target=target)

    def personal(self, row: Any) -> Model:
        """Return the object that a view of this row is recorded for: the row, or the object it belongs to."""
        target: Model = row
        return target


def in_list(action: RowAction) -> Callable[[Any, HttpRequest, QuerySet[Any]], HttpResponseBase | None]:
    """Return the action of a list, which runs `action` on each chosen row."""

    def run(model_admin: BulkAdmin, request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponseBase | None:
        def run_one(row: Any) -> Any:
            return action.run(row, request.user) if action.applies(row) else False

        return model_admin.on_each(request, chosen, run_one, action.done, consequence=action.consequence)

    return run
