"""Two transactions that wait for each other: one is undone by the database, and both are done."""

from threading import Barrier

import pytest
from django.db import connection, transaction
from django.urls import path
from rest_framework.response import Response

from config import urls
from core.api.idempotency import idempotent
from core.api.views import ApiView
from core.outbox.models import OutboxMessage
from core.tests.parallel import together
from core.web import request_context

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls(__name__),
]


@pytest.fixture(autouse=True)
def _long_limits(monkeypatch):
    """Set long limits: PostgreSQL detects a deadlock after a second, so on a loaded machine two of them exceed the
    limits of a request, and its response is rightly a 503."""
    monkeypatch.setattr(request_context, "REQUEST_LIMITS", request_context.DEFAULT_LIMITS)


class Crossing(ApiView):
    """View that locks two rows, in the order given. At the first attempt both callers hold one row before they lock the
    other."""

    schema = None  # it is in no document
    meeting = Barrier(2)
    attempts = 0

    def post(self, request):
        with transaction.atomic():
            self.take(request.data["first"])
            self.attempts += 1
            if self.attempts == 1:
                self.meeting.wait(20)
            self.take(request.data["second"])
            OutboxMessage.objects.create(kind="test.crossed")
        return Response({"attempts": self.attempts})

    def take(self, pk):
        OutboxMessage.objects.select_for_update().get(pk=pk)


class IdempotentCrossing(Crossing):
    @idempotent
    def post(self, request):
        return super().post(request)


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
urlpatterns = [
    path("test/crossing", Crossing.as_view()),
    path("test/idempotent-crossing", IdempotentCrossing.as_view()),
    *urls.urlpatterns,
]


@pytest.mark.parametrize("url", ["/test/crossing", "/test/idempotent-crossing"])
@pytest.mark.parametrize("key", [None, "key"])
def test_both_are_done_and_each_once(owner, log_in, url, key):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time: none holds what another waits for")
    one, two = (str(OutboxMessage.objects.create(kind="test.row").pk) for _ in range(2))
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    others = log_in(owner.user)
    responses = together(
        lambda: owner.post(url, {"first": one, "second": two}, **headers),
        lambda: others.post(url, {"first": two, "second": one}, **headers and {"HTTP_IDEMPOTENCY_KEY": "2"}),
    )

    assert [response.status_code for response in responses] == [200, 200]
    assert max(response.json()["data"]["attempts"] for response in responses) > 1
    assert OutboxMessage.objects.filter(kind="test.crossed").count() == 2
