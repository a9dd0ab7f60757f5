"""Views that fail in every way, in addition to the real ones. For `@pytest.mark.urls("core.tests.urls")`."""

import errno

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from rest_framework.response import Response

from config import urls
from core.api.throttling import RateLimit
from core.api.views import ApiView
from core.outbox.models import OutboxMessage
from core.tests.answers import SECRET
from core.web.errors import ApiError, FieldError


def same_key_twice():
    message = OutboxMessage.objects.create(kind="test.nothing")
    OutboxMessage.objects.create(pk=message.pk, kind="test.nothing")


def no_kind():
    OutboxMessage.objects.create(kind=None)


def fails_with(error):
    def fail():
        raise error

    return fail


FAILURES = {
    "unexpected": fails_with(RuntimeError(SECRET)),
    "database-away": fails_with(OperationalError(SECRET)),
    "connection-lost": fails_with(InterfaceError(SECRET)),
    "no-descriptors": fails_with(OSError(errno.EMFILE, SECRET)),
    "taken": same_key_twice,
    "null": no_kind,
    "other-integrity": fails_with(IntegrityError(SECRET)),
    "missing": fails_with(Http404(SECRET)),
    "denied": fails_with(PermissionDenied(SECRET)),
    "suspicious": fails_with(SuspiciousOperation(SECRET)),
    "refused": fails_with(ApiError("ACCOUNT_LOCKED", retry_after=42)),
    "field": fails_with(FieldError("age", "too_young", "Not yet.")),
}


def plain(failure):
    @csrf_exempt
    def view(_request):
        failure()

    return view


def api(failure):
    class View(ApiView):
        permission_classes = ()
        authentication_classes = ()

        def get(self, _request):
            failure()

        post = get

    return View.as_view()


class Echo(ApiView):
    """View that returns the data that it received."""

    permission_classes = ()
    authentication_classes = ()
    throttle_classes = ()
    query_parameters = frozenset({"a", "b"})
    repeatable_parameters = frozenset({"b"})

    def post(self, request):
        return Response(request.data)

    def get(self, request):
        return Response(dict(request.query_params.lists()))


class Limited(ApiView):
    permission_classes = ()
    throttle_classes = (RateLimit,)

    def get(self, _request):
        return Response("through")


class LimitedDoor(Limited):
    throttle_scope = "auth"


@csrf_exempt
def reads_the_body(request):
    return HttpResponse(len(request.body))


@csrf_protect
def protected(_request):
    return HttpResponse("through")


class Unrenderable(Echo):
    def get(self, _request):
        return Response(object())


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500

urlpatterns = [
    *(path(f"test/plain/{name}", plain(failure)) for name, failure in FAILURES.items()),
    *(path(f"test/api/{name}", api(failure)) for name, failure in FAILURES.items()),
    path("test/echo", Echo.as_view()),
    path("test/limited", Limited.as_view()),
    path("test/limited-door", LimitedDoor.as_view()),
    path("test/body", reads_the_body),
    path("test/protected", protected),
    path("test/unrenderable", Unrenderable.as_view()),
    *urls.urlpatterns,
]
