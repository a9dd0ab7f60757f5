"""`POST …/{id}/summary` of a viewset, and its job."""

from typing import Any, ClassVar

import structlog
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from core.api.caller import acting, request_of
from core.api.idempotency import idempotent
from core.api.viewsets import BaseViewSet
from core.audit import services as audit
from core.db.counters import check
from core.jobs.models import Job
from core.jobs.runner import Run
from core.jobs.services import enqueue_job, kind_of, permits, runs, view_of_job
from core.jobs.views import JobSerializer, accepted
from core.summaries.service import MAX_TEXT, summarized
from core.web.errors import ApiError, FieldError

log = structlog.get_logger(__name__)


class SummaryViewSet(BaseViewSet):
    """A BaseViewSet with `POST …/{id}/summary`, for users who may read the object.

    `summary_fields` names the fields of the model whose text is sent to the service.
    """

    summary_fields: ClassVar[tuple[str, ...]] = ()
    documented_errors: ClassVar = {"summary": ("NOT_FOUND", "VALIDATION_ERROR", "RATE_LIMITED")}

    @extend_schema(request=None, responses={202: JobSerializer})
    @action(detail=True, methods=["post"], url_path="summary")
    @idempotent(prepare="count_summary")
    def summary(self, request: Any, *args: Any, prepared: None, **kwargs: Any) -> Response:
        """Summarize by a language model, if the operator has set one; otherwise 404. The text of the object is sent to
        that service. The summary is in the `result` of the job."""
        kind = kind_of(type(self), "summary")
        return accepted(enqueue_job(user=request.user, kind=kind, parameters={"path": request.path_info}))

    def count_summary(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """Check that there is something to summarize, and count the request: each costs money."""
        if settings.SUMMARIES is None:
            raise Http404
        if not request.user.is_authenticated:
            self.refuse()  # a job has an owner
        if not text_of(self, self.get_object()):
            raise FieldError(None, "empty", "There is no text to summarize.")
        decision = check("summary", str(request.user.pk))
        request.META["api.rate_limit"] = decision  # for the headers
        if not decision.allowed:
            raise ApiError("RATE_LIMITED", retry_after=decision.reset)


def text_of(view: Any, instance: Any) -> str:
    """Return the text that is sent."""
    texts = (str(getattr(instance, name) or "").strip() for name in view.summary_fields)
    return "\n\n".join(filter(None, texts))[:MAX_TEXT]


# --- the job --------------------------------------------------------------------------------------


def source_of(job: Job, user: Any) -> tuple[Any, Any]:
    """Return the object and its view, as they would be served to the user now. Raises what `retrieve` raises."""
    view = view_of_job(job, user)
    request = request_of(user, "GET", view.request.path_info)
    request.resolver_match = view.request.resolver_match
    view = acting(view, "retrieve", "GET", request)
    return view.get_object(), view


@runs("*.summary")
def summarize(run: Run) -> None:
    instance, view = source_of(run.job, run.job.user)
    result = summarized(text_of(view, instance))
    with transaction.atomic():
        instance, _view = source_of(run.job, run.job.user)  # it may have been deleted meanwhile
        run.succeed(result)
        event = f"{instance._meta.model_name}.summarized"
        audit.record(event, actor_id=run.job.user_id, target=instance)


def may_read(job: Job, user: Any) -> bool:
    """Return whether the user may read the object now. A view that fails would not serve it."""
    try:
        source_of(job, user)
    except (APIException, PermissionDenied, ApiError, Http404):
        return False
    except Exception as error:
        log.warning("summary_not_served", jobId=str(job.pk), kind=job.kind, exc_info=error)
        return False
    return True


permits.register("*.summary", may_read)
