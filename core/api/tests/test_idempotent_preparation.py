"""Preparation before the transaction of an idempotent POST, and its reversal when the POST fails."""

from contextlib import nullcontext
from typing import ClassVar

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.urls import path
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from config import urls
from core.api import idempotency
from core.api.idempotency import idempotent
from core.api.views import ApiView
from core.db import retries as deadlocks
from core.outbox.models import OutboxMessage
from core.tests.parallel import together
from core.web.errors import FieldError

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

URL = "/test/prepared"


class Undone(Exception):
    sqlstate = "40P01"


def deadlock():
    error = OperationalError("deadlock detected")
    error.__cause__ = Undone()
    return error


class Prepared(ApiView):
    schema = None  # it is in no document
    parser_classes = (MultiPartParser,)
    did: ClassVar[list[str]] = []
    failures: ClassVar[list[Exception]] = []

    def take(self, request):
        if request.data.get("say") == "nothing":
            raise FieldError("say", "invalid", "Say something.")
        self.did.append(f"take, in a transaction: {connection.in_atomic_block}")
        return "it"

    def drop(self, prepared):
        self.did.append(f"drop {prepared}")

    @idempotent(prepare="take", drop="drop")
    def post(self, request, *, prepared):
        self.did.append(f"write {prepared}")
        OutboxMessage.objects.create(kind="test.prepared")
        if self.failures:
            raise self.failures.pop()
        return Response({"said": request.data.get("say")}, status=201)


handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
urlpatterns = [path("test/prepared", Prepared.as_view()), *urls.urlpatterns]
TAKE = "take, in a transaction: False"


@pytest.fixture(autouse=True)
def did(monkeypatch):
    monkeypatch.setattr(Prepared, "did", [])
    monkeypatch.setattr(Prepared, "failures", [])
    monkeypatch.setattr(deadlocks, "PAUSE_SECONDS", 0)
    return Prepared.did


def send(caller, key="k", say="yes", **body):
    headers = {"HTTP_IDEMPOTENCY_KEY": key} if key else {}
    return caller.post(URL, {"say": say, **body}, format="multipart", **headers)


def with_or_without_a_key(test):
    return pytest.mark.parametrize("key", ["k", None])(test)


@with_or_without_a_key
def test_it_is_prepared_outside_the_transaction_and_handed_on(owner, did, key):
    assert send(owner, key).status_code == 201
    assert did == [TAKE, "write it"]


def test_a_repetition_prepares_nothing(owner, did):
    send(owner)
    again = send(owner)

    assert again["Idempotency-Replayed"] == "true"
    assert did == [TAKE, "write it"]


@with_or_without_a_key
def test_what_was_prepared_is_dropped_when_the_handler_fails(owner, did, key):
    Prepared.failures.append(FieldError("say", "invalid", "No."))

    assert send(owner, key).status_code == 400
    assert did == [TAKE, "write it", "drop it"]
    assert send(owner, key).status_code == 201


@with_or_without_a_key
def test_what_could_not_be_prepared_is_not_dropped(owner, did, key):
    assert send(owner, key, say="nothing").status_code == 400
    assert did == []


@with_or_without_a_key
def test_when_nobody_knows_whether_it_was_written_it_is_kept(owner, did, key):
    Prepared.failures.append(OperationalError("the connection is lost"))

    assert send(owner, key).status_code == 503
    assert did == [TAKE, "write it"]


def test_after_a_500_a_repetition_has_the_effect_once(owner):
    Prepared.failures.append(RuntimeError("a bug"))

    assert [send(owner).status_code for _ in range(3)] == [500, 201, 201]
    assert OutboxMessage.objects.filter(kind="test.prepared").count() == 1


@with_or_without_a_key
def test_after_a_deadlock_only_the_writing_is_done_again(owner, did, key):
    Prepared.failures += [deadlock(), deadlock()]

    assert send(owner, key).status_code == 201
    assert did == [TAKE, "write it", "write it", "write it"]


def test_after_a_deadlock_nothing_is_written_twice(owner):
    Prepared.failures += [deadlock(), deadlock()]
    send(owner)

    assert OutboxMessage.objects.filter(kind="test.prepared").count() == 1


def test_after_too_many_deadlocks_the_client_is_told_when_to_come_again(owner, did):
    Prepared.failures += [deadlock() for _ in range(deadlocks.MAX_TRANSACTION_ATTEMPTS)]
    answer = send(owner, None)

    assert answer.status_code == 503
    assert answer["Retry-After"] == "1"
    assert did == [TAKE, *["write it"] * deadlocks.MAX_TRANSACTION_ATTEMPTS, "drop it"]


def test_who_comes_second_at_the_same_time_drops_what_it_prepared(owner, did, monkeypatch):
    """As in two processes: none sees what the other runs, only what the database holds."""
    monkeypatch.setattr(idempotency, "alone", nullcontext)
    for number in range(10):
        did.clear()
        answers = together(*(lambda number=number: send(owner, f"race-{number}") for _ in range(4)))

        assert {answer.status_code for answer in answers} <= {201, 409}
        assert did.count("write it") == 1
        assert did.count("drop it") == did.count(TAKE) - 1


def test_the_same_file_is_the_same_request(owner):
    def upload(content, name="a.txt"):
        return send(owner, file=SimpleUploadedFile(name, content))

    assert upload(b"one").status_code == 201
    assert upload(b"one")["Idempotency-Replayed"] == "true"
    assert upload(b"two").status_code == upload(b"one", "b.txt").status_code == 422
