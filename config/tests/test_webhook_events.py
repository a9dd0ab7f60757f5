"""Events of viewsets as an adopter writes them, from the write to the endpoint."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.factories import UserFactory
from config.tests.jobs_of_samples import SAMPLE, imported
from config.tests.sample_models import Customer, Product, viewset
from config.tests.webhooks_of_samples import received
from core.api.mixins.bulk import BulkViewSet
from core.api.mixins.trash import TrashViewSet
from core.audit import services as audit
from core.importexport.views import ImportViewSet
from core.tests.factories import WebhookFactory
from core.webhooks.delivering import deliver_due
from core.webhooks.events import known_events, published, publishes
from core.webhooks.models import WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sample_tables")]


@pytest.fixture
def customers(serve):
    """Serve customers."""
    base = type("Base", (ImportViewSet, BulkViewSet, TrashViewSet), {})
    serve(viewset(Customer, "name", base=base), viewset(Product, "name", schema_name="Product"))


def test_each_write_is_an_event_with_the_object_as_its_owner_sees_it(
    customers, ann_client, webhook, endpoint
):
    made = ann_client.post(SAMPLE, {"name": "Zoe"}, format="json").json()["data"]
    url = f"{SAMPLE}/{made['id']}"
    assert received(endpoint, webhook) == [("customer.created", made)]
    changed = ann_client.patch(url, {"name": "Max"}, format="json").json()["data"]
    assert received(endpoint, webhook) == [("customer.updated", changed)]
    ann_client.patch(url, {"name": "Max"}, format="json")
    assert received(endpoint, webhook) == []
    ann_client.delete(url)
    assert received(endpoint, webhook) == [("customer.deleted", changed)]
    ann_client.post(f"{url}/restore")
    assert received(endpoint, webhook) == [("customer.restored", changed)]
    ann_client.delete(url)
    ann_client.delete(f"{SAMPLE}/trash")
    gone = {"id": made["id"]}
    assert received(endpoint, webhook) == [("customer.deleted", gone), ("customer.erased", gone)]


def test_bulk_operations_and_imports_send_an_event_for_each_row(customers, ann_client, webhook, endpoint):
    old = Customer.objects.create(name="Old", user=webhook.user)
    operations = [
        {"method": "create", "data": {"name": "New"}},
        {"method": "update", "id": str(old.pk), "data": {"name": "Older"}},
    ]
    assert ann_client.post(f"{SAMPLE}/bulk", {"operations": operations}, format="json").status_code == 200
    assert sorted(name for name, _data in received(endpoint, webhook)) == [
        "customer.created",
        "customer.updated",
    ]
    imported(ann_client, SAMPLE, {"name": "A"}, {"name": "B"})
    happened = received(endpoint, webhook)
    assert sorted((name, data["name"]) for name, data in happened) == [
        ("customer.created", "A"),
        ("customer.created", "B"),
    ]


@pytest.mark.parametrize(
    ("events", "number"),
    [
        (["customer.created"], 1),
        (["customer.*"], 1),
        (["*"], 1),
        (["customer.deleted"], 0),
        (["product.*"], 0),
    ],
)
def test_only_the_chosen_events_are_sent(customers, ann_client, webhook, events, number):
    webhook.events = events
    webhook.save()
    ann_client.post(SAMPLE, {"name": "Zoe"}, format="json")

    assert WebhookDelivery.objects.count() == number


def test_a_row_of_another_user_reaches_nobody_but_an_admin_who_subscribed_to_all(
    customers, ann, ann_client, webhook, endpoint
):
    others = {role: UserFactory(role=role) for role in ("user", "staff", "admin")}
    for user in others.values():
        WebhookFactory(user=user, url=endpoint.url)
    everybodys = {
        role: WebhookFactory(user=others[role], url=endpoint.url, all_users=True)
        for role in ("user", "admin")
    }
    ann_client.post(SAMPLE, {"name": "Zoe"}, format="json")

    assert set(WebhookDelivery.objects.values_list("webhook", flat=True)) == {
        webhook.pk,
        everybodys["admin"].pk,
    }


def test_a_write_of_rows_of_several_users_reaches_each_with_their_own_alone(customers, ann, webhook):
    admin = WebhookFactory(user__role="admin")
    rows = [Customer.objects.create(name=user.name, user=user) for user in (ann, admin.user, UserFactory())]
    audit.record_many([("customer.updated", row, None) for row in rows])

    reached = WebhookDelivery.objects.values_list("webhook", "target_id")
    assert set(reached) == {(webhook.pk, rows[0].pk), (admin.pk, rows[1].pk)}


def test_a_former_admin_gets_the_own_rows_alone(customers, ann, endpoint):
    former = WebhookFactory(all_users=True)
    for user in (ann, former.user):
        row = Customer.objects.create(name=user.name, user=user)
        audit.record("customer.updated", target=row)
    product = Product.objects.create(name="Chair", seller=ann, is_listed=True)
    audit.record("product.updated", target=product)

    assert [delivery.target_id for delivery in WebhookDelivery.objects.all()] == [row.pk]


@pytest.mark.parametrize("state", ["suspended_at", "deleted_at"])
def test_an_owner_who_may_not_use_the_api_gets_none(customers, ann, webhook, state):
    setattr(ann, state, timezone.now())
    ann.save()
    audit.record("customer.updated", target=Customer.objects.create(name="Zoe", user=ann))

    assert not WebhookDelivery.objects.exists()


def test_what_its_owner_may_no_longer_read_is_not_sent(customers, ann_client, endpoint):
    admin = UserFactory(role="admin")
    WebhookFactory(user=admin, url=endpoint.url, all_users=True)
    ann_client.post(SAMPLE, {"name": "Zoe"}, format="json")
    admin.role = "user"
    admin.save()
    deliver_due()

    delivery = WebhookDelivery.objects.get()
    assert (delivery.status, endpoint.requests) == ("failed", [])


def test_a_public_row_is_still_its_owners_event(serve, ann, ann_client, webhook):
    stranger = WebhookFactory()
    serve(viewset(Product, "name", "isListed"))
    ann_client.post(SAMPLE, {"name": "Chair", "isListed": True}, format="json")

    assert [delivery.webhook for delivery in WebhookDelivery.objects.all()] == [webhook]
    assert stranger.deliveries.count() == 0


def test_a_write_that_is_rolled_back_sends_nothing(customers, ann, webhook):
    with transaction.atomic():
        audit.record(
            "customer.created", actor_id=ann.pk, target=Customer.objects.create(name="Zoe", user=ann)
        )
        assert WebhookDelivery.objects.count() == 1
        transaction.set_rollback(True)

    assert WebhookDelivery.objects.count() == 0


def test_an_app_publishes_events_of_its_own(customers, ann, webhook, endpoint):
    customer = Customer.objects.create(name="Zoe", user=ann)
    audit.record("customer.paid", actor_id=ann.pk, target=customer)
    assert received(endpoint, webhook) == []
    publishes("customer.paid")
    try:
        assert "customer.paid" in known_events()
        audit.record("customer.paid", actor_id=ann.pk, target=customer)
    finally:
        published.discard("customer.paid")

    ((name, data),) = received(endpoint, webhook)
    assert (name, data["name"]) == ("customer.paid", "Zoe")


def test_accounts_jobs_and_webhooks_have_no_events(customers):
    nouns = {name.partition(".")[0] for name in known_events()}

    assert "customer" in nouns
    assert nouns.isdisjoint({"user", "session", "job", "webhook", "webhookdelivery"})


def test_an_object_that_cannot_be_rendered_is_tried_again(serve, ann_client, webhook, endpoint):
    def to_representation(_serializer, _row):
        raise ZeroDivisionError

    broken = viewset(Customer, "name")
    serve(broken)
    made = ann_client.post(SAMPLE, {"name": "Zoe"}, format="json")
    broken.serializer_class.to_representation = to_representation
    deliver_due()

    delivery = WebhookDelivery.objects.get()
    assert made.status_code == 201
    assert (delivery.status, delivery.last_error, endpoint.requests) == ("pending", "ZeroDivisionError: ", [])
    webhook.refresh_from_db()
    assert webhook.failing_since is None  # it is not the endpoint that failed


def test_a_larger_object_is_sent_as_its_id(customers, ann_client, webhook, endpoint, monkeypatch):
    monkeypatch.setattr("core.webhooks.rendering.MAX_BODY", 100)
    made = ann_client.post(SAMPLE, {"name": "Z" * 100}, format="json").json()["data"]

    assert received(endpoint, webhook) == [("customer.created", {"id": made["id"]})]


def test_a_write_without_subscribers_costs_one_query_and_an_event_of_an_account_none(customers, ann):
    customer = Customer.objects.create(name="Zoe", user=ann)
    WebhookFactory()
    for target, queries in ((customer, 2), (ann, 1)):
        audit.record("sample.done", target=target)  # fills the caches of the process
        with CaptureQueriesContext(connection) as captured:
            audit.record("sample.done", target=target)
        assert len(captured) == queries


def test_the_queries_of_a_bulk_write_do_not_grow_with_its_rows(customers, ann, webhook):
    rows = [Customer.objects.create(name=f"C{number}", user=ann) for number in range(20)]

    def cost(number):
        with CaptureQueriesContext(connection) as captured:
            audit.record_many([("customer.created", row, None) for row in rows[:number]])
        return len(captured)

    assert cost(2) == cost(20) <= 6
