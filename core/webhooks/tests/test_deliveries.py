"""Deliveries: signed, tried again, given up. The endpoints are real servers on loopback."""

import ssl
import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from core.audit.models import AuditEvent
from core.outbox import services as outbox
from core.tests.factories import WebhookDeliveryFactory, WebhookFactory
from core.tests.leases import pass_time
from core.tests.parallel import together
from core.tests.raw_service import raw_service, replies, reply
from core.tests.tls import Authority
from core.tests.waiting import wait_until
from core.web.http_client import HttpClient
from core.webhooks import delivering, publishing, services
from core.webhooks.delivering import LIMITS, deliver_due
from core.webhooks.models import Webhook, WebhookDelivery
from core.webhooks.tests.receiver import OK, headers_of, receiver, verified

pytestmark = pytest.mark.django_db
PATH = "/api/v1/webhooks"
Status = WebhookDelivery.Status


def make_due(**values):
    """Let the next attempt of every delivery be now, and what a webhook waits for be over."""
    WebhookDelivery.objects.update(due_at=timezone.now() - timedelta(seconds=1), **values)


def test_a_delivery_is_verified_by_the_library(owner, webhook, endpoint):
    response = owner.post(f"{PATH}/{webhook.pk}/test")
    delivery = response.json()["data"]
    assert deliver_due() == 1

    assert response.status_code == 202
    assert delivery["status"] == "pending"
    (request,) = endpoint.requests
    headers, _body = headers_of(request)
    assert headers["webhook-id"] == delivery["id"]
    assert headers["content-type"] == "application/json"
    body = verified(request, webhook.shown_secret)
    assert body["type"] == "webhook.test"
    assert body["timestamp"] == delivery["createdAt"]
    assert body["data"] == {"webhookId": str(webhook.pk)}
    (logged,) = owner.get(f"{PATH}/{webhook.pk}/deliveries").json()["data"]
    assert logged == {
        **delivery,
        "status": "succeeded",
        "attempts": 1,
        "responseStatus": 204,
        "nextAttemptAt": None,
    }


def test_after_a_rotation_both_secrets_sign_for_a_day(owner, webhook, endpoint):
    new = owner.post(f"{PATH}/{webhook.pk}/rotate-secret").json()["data"]["secret"]
    for hours in (0, 25):
        Webhook.objects.update(rotated_at=timezone.now() - timedelta(hours=hours))
        WebhookDeliveryFactory(webhook=webhook)
        deliver_due()

    first, second = endpoint.requests
    assert verified(first, webhook.shown_secret)
    assert verified(first, new)
    assert len(headers_of(second)[0]["webhook-signature"].split()) == 1
    assert verified(second, new)


def test_a_failed_attempt_is_tried_again_under_the_same_id(owner, inside):
    with receiver(reply("500 Server Error"), OK) as service:
        webhook = WebhookFactory(user=owner.user, url=service.url)
        delivery = WebhookDeliveryFactory(webhook=webhook)
        deliver_due()
        (failed,) = owner.get(f"{PATH}/{webhook.pk}/deliveries").json()["data"]
        delivery.refresh_from_db()
        webhook.refresh_from_db()
        assert deliver_due() == 0  # it waits
        make_due()
        deliver_due()

    assert (failed["status"], failed["attempts"], failed["responseStatus"]) == ("pending", 1, 500)
    assert timedelta(seconds=4) < delivery.due_at - timezone.now() < timedelta(seconds=7)
    assert webhook.failing_since is not None
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == (Status.SUCCEEDED, 2)
    ids = {headers_of(request)[0]["webhook-id"] for request in service.requests}
    assert ids == {str(delivery.pk)}
    webhook.refresh_from_db()
    assert webhook.failing_since is webhook.retry_at is None


@pytest.mark.parametrize(
    "response", [reply("302 Found", b"", "Location: /other"), reply("199 Odd"), b"", b"no HTTP"]
)
def test_anything_but_2xx_is_a_failure_and_no_redirect_is_followed(owner, inside, response):
    with receiver(response) as service:
        delivery = WebhookDeliveryFactory(webhook__url=service.url)
        deliver_due()

    delivery.refresh_from_db()
    assert delivery.status == Status.PENDING
    assert len(service.requests) == 1


def test_any_body_of_a_2xx_is_a_success(inside):
    unreadable = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 99999999\r\n\r\nx"
    with receiver(unreadable) as service:
        delivery = WebhookDeliveryFactory(webhook__url=service.url)
        deliver_due()

    delivery.refresh_from_db()
    assert delivery.status == Status.SUCCEEDED


def test_the_waits_grow_and_the_last_attempt_is_after_three_days(inside):
    waits = [delivering.retry_delay(attempts).total_seconds() for attempts in range(1, 12)]
    with receiver(reply("500 Server Error")) as service:
        delivery = WebhookDeliveryFactory(webhook__url=service.url)
        make_due(attempts=8, expires_at=timezone.now() + timedelta(hours=1))
        deliver_due()
        delivery.refresh_from_db()
        assert delivery.due_at == delivery.expires_at
        make_due(expires_at=timezone.now())
        deliver_due()

    assert 4 <= waits[0] <= 6
    assert 0.8 * 12 * 3600 <= waits[-1] <= 1.2 * 12 * 3600
    delivery.refresh_from_db()
    assert (delivery.status, delivery.response_status) == (Status.FAILED, 500)


def test_a_failing_webhook_delays_its_own_deliveries_alone(inside, endpoint):
    with receiver(reply("503 Away")) as service:
        first = WebhookDeliveryFactory(webhook__url=service.url)
        second = WebhookDeliveryFactory(webhook=first.webhook, event="sample.paid")
        healthy = WebhookDeliveryFactory(webhook__url=endpoint.url)
        assert deliver_due() == 2

    for delivery in (first, second, healthy):
        delivery.refresh_from_db()
    assert len(service.requests) == 1
    assert second.attempts == 0
    assert second.due_at > timezone.now()
    assert healthy.status == Status.SUCCEEDED


def test_a_webhook_that_has_failed_holds_back_events_but_no_test(owner, webhook, endpoint):
    later = timezone.now() + timedelta(minutes=5)
    Webhook.objects.update(retry_at=later)
    webhook.refresh_from_db()
    event = AuditEvent(event="sample.paid", target_type="sample", target_id=webhook.pk)
    publishing.delivery_of(webhook, event, webhook).save()
    owner.post(f"{PATH}/{webhook.pk}/test")

    assert deliver_due() == 1
    assert WebhookDelivery.objects.get(event="sample.paid").due_at == later


# --- addresses -----------------------------------------------------------------------------------


def with_client(monkeypatch, **options):
    """Let deliveries use a client to which 127.0.0.2 is a public address."""
    permits = {"127.0.0.2": True, "127.0.0.1": False}.__getitem__
    client = HttpClient("webhooks", limits=LIMITS, permits=permits, **options)
    monkeypatch.setattr(delivering, "client_for", lambda _allow_private: client)


def test_a_private_address_is_refused_at_each_call(endpoint, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    delivery = WebhookDeliveryFactory(webhook__url=f"https://127.0.0.1:{endpoint.port}/")
    deliver_due()

    delivery.refresh_from_db()
    assert endpoint.requests == []
    assert delivery.last_error.startswith("address_refused")


def test_plain_http_is_refused_at_each_call(endpoint, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    delivery = WebhookDeliveryFactory(webhook__url=endpoint.url)
    deliver_due()

    delivery.refresh_from_db()
    assert delivery.last_error.startswith("url_refused")


def test_the_scheme_may_be_in_capitals(endpoint, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    delivery = WebhookDeliveryFactory(webhook__url=f"HTTPS://127.0.0.1:{endpoint.port}/")
    deliver_due()

    delivery.refresh_from_db()
    assert delivery.last_error.startswith("address_refused")


def test_the_address_that_was_checked_is_connected_to(tmp_path, monkeypatch):
    """DNS rebinding: at the second attempt the name has a private address."""
    authority = Authority(tmp_path, "ours")
    answers = [["127.0.0.2"], ["127.0.0.1"]]
    trusted = ssl.create_default_context(cafile=authority.bundle)
    with_client(monkeypatch, resolve=lambda _host, _seconds: answers.pop(0), tls=trusted)
    server = authority.server_context("hooks.test")
    with raw_service(replies(reply("500 Server Error"), OK), address="127.0.0.2", tls=server) as service:
        delivery = WebhookDeliveryFactory(webhook__url=f"https://hooks.test:{service.port}/")
        deliver_due()
        delivery.refresh_from_db()
        assert (delivery.response_status, answers) == (500, [["127.0.0.1"]])
        make_due()
        deliver_due()

    delivery.refresh_from_db()
    assert len(service.requests) == 1
    assert delivery.last_error.startswith("address_refused")


# --- workers -------------------------------------------------------------------------------------

parallel = pytest.mark.django_db(transaction=True)


@parallel
def test_a_killed_worker_loses_nothing(webhook, endpoint):
    delivery = WebhookDeliveryFactory(webhook=webhook)
    assert delivering.claim() == delivery  # and nothing more of this worker
    assert deliver_due() == 0
    pass_time(WebhookDelivery, 31)
    assert deliver_due() == 1

    delivery.refresh_from_db()
    assert delivery.status == Status.SUCCEEDED


@parallel
def test_of_two_workers_one_sends_at_a_time_to_a_webhook(webhook, endpoint):
    WebhookDeliveryFactory.create_batch(3, webhook=webhook)
    claimed = together(*[delivering.claim] * 4)

    assert len([delivery for delivery in claimed if delivery]) == 1


@parallel
def test_parallel_redeliveries_are_one_delivery(owner, webhook, endpoint):
    key = WebhookDeliveryFactory(webhook=webhook, status=Status.FAILED, finished_at=timezone.now()).pk

    def redeliver():
        with transaction.atomic():
            delivery = WebhookDelivery.objects.select_for_update(of=("self",)).get(pk=key)
            services.redeliver(delivery=delivery, actor=owner.user)

    together(*[redeliver] * 5)
    assert deliver_due() == 1
    assert len(endpoint.requests) == 1


@parallel
def test_a_redelivery_leaves_what_is_on_its_way_to_its_worker(owner, webhook):
    WebhookDeliveryFactory(webhook=webhook)
    claimed = delivering.claim()
    owner.post(f"{PATH}/{webhook.pk}/deliveries/{claimed.pk}/redeliver")

    lease = claimed.lease_id
    claimed.refresh_from_db()
    assert claimed.lease_id == lease


@parallel
def test_a_slow_endpoint_delays_neither_other_webhooks_nor_emails(inside, endpoint, handled):
    release, answered = threading.Event(), []

    def slow(connection_of_client, _request):
        release.wait(20)
        connection_of_client.sendall(OK)

    def run():
        answered.append(deliver_due())
        connection.close()

    with raw_service(slow) as service:
        waiting = WebhookDeliveryFactory(webhook__url=f"http://127.0.0.1:{service.port}/")
        WebhookDeliveryFactory.create_batch(3, webhook=waiting.webhook)
        healthy = WebhookDeliveryFactory(webhook__url=endpoint.url)
        outbox.enqueue("test.kept", {})
        thread = threading.Thread(target=run)
        thread.start()
        wait_until(lambda: WebhookDelivery.objects.get(pk=healthy.pk).status == Status.SUCCEEDED)
        assert len(service.requests) == 1
        assert outbox.drain() == 1
        release.set()
        thread.join()

    assert answered == [5]
    assert handled == [{}]
