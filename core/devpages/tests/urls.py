"""The routes of development, with views whose statements and failures are known. For `@pytest.mark.urls`."""

from django.http import HttpResponse
from django.urls import include, path

from core.outbox.models import OutboxMessage
from core.tests import urls
from core.tests.answers import SECRET


def one_by_one(_request):
    keys = list(OutboxMessage.objects.values_list("pk", flat=True))
    return HttpResponse(", ".join(OutboxMessage.objects.get(pk=key).kind for key in keys))


def the_same_again(_request):
    return HttpResponse(sum(OutboxMessage.objects.filter(kind=SECRET).count() for _ in range(3)))


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500

urlpatterns = [
    path("dev/", include("core.devpages.urls")),
    path("test/one-by-one", one_by_one),
    path("test/the-same-again", the_same_again),
    *urls.urlpatterns,
]
