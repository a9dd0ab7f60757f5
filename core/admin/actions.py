"""Actions of the admin on many rows: confirmation, a fixed set of rows, and batches of bounded time."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import model_ngettext
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import BadRequest, ValidationError
from django.db import OperationalError, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.audit.refusals import record_forbidden
from core.web.errors import ApiError, translate

MAX_SELECTED = 10_000
MAX_BATCH_SECONDS = 10  # for each request; proxies time out after 60
MAX_NAMED = 10  # rows and refusals listed on a page


class Progress(NamedTuple):
    """Counts over all batches so far. Hidden fields of the page pass them to the next request."""

    done: int = 0
    skipped: int = 0
    refused: int = 0

    @classmethod
    def read(cls, request: HttpRequest) -> Self:
        texts = [request.POST.get(name, "") for name in cls._fields]
        return cls(*(int(text) if text.isdecimal() and len(text) < 10 else 0 for text in texts))

    def plus(self, **more: int) -> Self:
        return self._replace(**{name: getattr(self, name) + number for name, number in more.items()})


class BulkAdmin(admin.ModelAdmin):
    """Actions end with `return self.on_each(…)`."""

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        self.check_keys(request.POST.getlist(ACTION_CHECKBOX_NAME))
        return super().response_action(request, queryset, *args, **kwargs)

    def check_keys(self, keys: list[str]) -> None:
        """Raise BadRequest if a text is not a valid key, which Django does not catch."""
        try:
            for key in keys:
                self.opts.pk.run_validators(self.opts.pk.to_python(key))
        except ValidationError as error:
            raise BadRequest from error

    def on_each(
        self,
        request: HttpRequest,
        chosen: QuerySet[Any],
        act: Callable[[Any], bool | None],
        done: Any,
        *,
        consequence: Any = "",
    ) -> HttpResponseBase | None:
        """Run `act` on each chosen row, locked, each in its own transaction.

        `act` returns False if there was nothing to do. A refused row does not stop the others. With a
        `consequence`, and for "select all", the user first confirms the number of rows. The action then runs on
        the keys of these rows, because the filter may match other rows by then.
        """
        is_confirmed = "keys" in request.POST
        keys = self.posted_keys(request) if is_confirmed else keys_of(chosen)
        if len(keys) > MAX_SELECTED:
            text = _("More than %(limit)s are selected. Narrow the list down by its filters or its search.")
            messages.error(request, text % {"limit": f"{MAX_SELECTED:,}"})
            return None
        is_across = request.POST.get("select_across", "0") not in {"", "0"}
        if keys and not is_confirmed and (consequence or is_across):
            return self.confirmation(request, keys, consequence)
        progress, keys = self.run_batch(request, keys, act, Progress.read(request))
        if keys:
            return self.continuation(request, keys, progress)
        self.report(request, progress, done)
        return HttpResponseRedirect(list_address(request))

    def posted_keys(self, request: HttpRequest) -> list[str]:
        keys = [key for key in request.POST["keys"].split(",") if key]
        self.check_keys(keys)
        return keys

    def run_batch(
        self,
        request: HttpRequest,
        keys: list[str],
        act: Callable[[Any], bool | None],
        progress: Progress,
    ) -> tuple[Progress, list[str]]:
        """Return the new progress and the remaining keys when the time of a batch is over.

        A row that another transaction locks for too long counts as refused, and ends the batch.
        """
        deadline = time.monotonic() + MAX_BATCH_SECONDS
        refusals = []
        left = keys[::-1]
        is_over = False
        while left and not is_over:
            row = key = left.pop()
            try:
                with transaction.atomic():
                    row = self.locked_row(key)
                    happened = row is not None and act(row)
                progress = progress.plus(skipped=1) if happened is False else progress.plus(done=1)
            except (ApiError, OperationalError) as error:
                refusal = translate(error) or ApiError()
                if refusal.code == "FORBIDDEN":
                    record_forbidden(request)
                refusals.append(f"{row}: {reason(refusal)}")
                progress = progress.plus(refused=1)
                is_over = isinstance(error, OperationalError)
            is_over = is_over or time.monotonic() >= deadline
        for text in refusals[:MAX_NAMED]:
            messages.error(request, text)
        return progress, left[::-1]

    def locked_row(self, key: Any) -> Any:
        """Return the row, locked until the transaction ends, or None."""
        return self.model._default_manager.select_for_update().filter(pk=key).first()

    def report(self, request: HttpRequest, progress: Progress, done: Any) -> None:
        if progress.done:
            messages.success(request, f"{done}: {progress.done}.")
        if progress.skipped:
            text = _("Nothing to do for %(number)s of the chosen.")
            messages.warning(request, text % {"number": progress.skipped})
        if progress.refused > MAX_NAMED:
            messages.error(request, _("Refused: %(number)s.") % {"number": progress.refused})

    def confirmation(self, request: HttpRequest, keys: list[str], consequence: Any) -> HttpResponse:
        rows = self.model._default_manager.filter(pk__in=keys[:MAX_NAMED])
        context = {
            "title": _("Are you sure?"),
            "consequence": consequence,
            "counted": f"{len(keys):,} {model_ngettext(self.opts, len(keys))}",
            "rows": sorted(rows, key=lambda row: keys.index(str(row.pk))),
            "more": max(0, len(keys) - MAX_NAMED),
        }
        return self.bulk_page(request, "admin/confirm_action.html", keys, Progress(), context)

    def continuation(self, request: HttpRequest, keys: list[str], progress: Progress) -> HttpResponse:
        handled = sum(progress)
        problems = ngettext("%(n)s was refused.", "%(n)s were refused.", progress.refused)
        context = {
            "title": _("In progress"),
            "handled": handled,
            "total": handled + len(keys),
            "problems": problems % {"n": progress.refused},
        }
        return self.bulk_page(request, "admin/continue_action.html", keys, progress, context)

    def bulk_page(
        self,
        request: HttpRequest,
        template: str,
        keys: list[str],
        progress: Progress,
        context: dict[str, Any],
    ) -> HttpResponse:
        name = action_name(request)
        fields = {
            "action": name,
            "select_across": "1",  # else Django would look for the rows by its own field
            ACTION_CHECKBOX_NAME: keys[0],  # Django runs no action without one
            "keys": ",".join(keys),
            **progress._asdict(),
        }
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "description": dict(self.get_action_choices(request))[name],
            "address": list_address(request),
            "fields": fields,
        }
        return TemplateResponse(request, template, shared | context)


def keys_of(chosen: QuerySet[Any]) -> list[str]:
    """Return the keys of these rows, one more than allowed at the most."""
    return [str(key) for key in chosen.values_list("pk", flat=True)[: MAX_SELECTED + 1]]


def action_name(request: HttpRequest) -> str:
    """Return the name of the action that Django runs, that of the form whose button was pressed."""
    names = request.POST.getlist("action")
    try:
        index = int(request.POST.get("index", "0"))
    except ValueError:
        index = 0
    return names[index] if -len(names) <= index < len(names) else names[-1]


def list_address(request: HttpRequest) -> str:
    """Return the URL of the list with its filters, without its page, which the action may empty."""
    query = [(name, text) for name, texts in request.GET.lists() if name != PAGE_VAR for text in texts]
    return f"{request.path}?{urlencode(query)}" if query else request.path


def reason(refusal: ApiError) -> str:
    return " ".join(problem["message"] for problem in refusal.details) or refusal.message
