"""Subscriptions: the endpoints under /webhooks."""

import pytest
from django.db import IntegrityError, transaction

from core.audit.models import AuditEvent
from core.tests.factories import WebhookFactory
from core.tests.parallel import together
from core.web.encryption import decrypt
from core.webhooks import services
from core.webhooks.events import published, publishes
from core.webhooks.models import Webhook
from core.webhooks.signing import signing_secrets

pytestmark = pytest.mark.django_db
PATH = "/api/v1/webhooks"
URL = "https://93.184.216.34/hooks/s3cret"  # an address needs no lookup


@pytest.fixture(autouse=True)
def _event():
    publishes("sample.paid", "sample.sent")
    yield
    published.difference_update({"sample.paid", "sample.sent"})


def body(**values):
    return {"url": URL, "events": ["sample.paid"], **values}


def test_only_the_responses_that_make_a_secret_show_it(owner):
    created = owner.post(PATH, body(), format="json")
    webhook = created.json()["data"]
    rotated = owner.post(f"{PATH}/{webhook['id']}/rotate-secret")

    assert created.status_code == 201
    assert rotated.status_code == 200
    assert webhook["secret"].startswith("whsec_")
    assert rotated.json()["data"]["secret"] != webhook["secret"]
    for response in (owner.get(PATH), owner.get(f"{PATH}/{webhook['id']}")):
        assert "whsec_" not in response.content.decode()
    changed = owner.patch(f"{PATH}/{webhook['id']}", {"events": ["*"]}, format="json")
    assert "secret" not in changed.json()["data"]


def test_a_secret_is_encrypted_at_rest(owner):
    secret = owner.post(PATH, body(), format="json").json()["data"]["secret"]
    stored = Webhook.objects.get().secret

    assert secret not in stored
    assert decrypt(stored) == secret


def test_an_unknown_event_is_refused_with_those_that_exist(owner):
    response = owner.post(PATH, body(events=["sample.paid", "sample.pade"]), format="json")
    (problem,) = response.json()["error"]["details"]

    assert response.status_code == 400
    assert problem["field"] == "events.1"
    assert "sample.paid, sample.sent" in problem["message"]


@pytest.mark.parametrize("events", [[], ["*"] * 51, "sample.paid", [1], [""], ["a" * 61]])
def test_events_are_a_bounded_list_of_names(owner, events):
    response = owner.post(PATH, body(events=events), format="json")

    assert response.status_code == 400
    assert response.json()["error"]["details"][0]["field"].startswith("events")


def test_an_event_and_a_pattern_each_count_once(owner):
    response = owner.post(PATH, body(events=["sample.*", "*", "sample.*"]), format="json")

    assert response.json()["data"]["events"] == ["sample.*", "*"]


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://93.184.216.34/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://[::1]/",
            "https://10.0.0.1",
        ),
        *("https://169.254.169.254/latest", "https://0x7f.1/", "https://user:pw@93.184.216.34/"),
        *(
            "https://93.184.216.34:25/",
            "ftp://93.184.216.34/",
            "https://",
            "nothing",
            "https://a.test/" + "a" * 2048,
        ),
    ],
)
def test_a_url_that_is_not_public_https_is_refused(owner, url):
    webhook = WebhookFactory(user=owner.user)
    responses = [
        owner.post(PATH, body(url=url), format="json"),
        owner.patch(f"{PATH}/{webhook.pk}", {"url": url}, format="json"),
    ]

    for response in responses:
        assert response.status_code == 400
        assert {problem["field"] for problem in response.json()["error"]["details"]} == {"url"}
    assert "pw" not in responses[0].content.decode().replace(url, "")


def test_a_setting_allows_http_and_private_addresses(owner, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True

    assert owner.post(PATH, body(url="http://127.0.0.1:25/"), format="json").status_code == 201


def test_a_host_without_an_address_may_have_one_later(owner):
    assert owner.post(PATH, body(url="https://hooks.invalid/"), format="json").status_code == 201


def test_only_admins_subscribe_to_all_users(owner, admin):
    assert owner.post(PATH, body(allUsers=True), format="json").status_code == 403
    assert admin.post(PATH, body(allUsers=True), format="json").status_code == 201


def test_a_user_has_a_bounded_number(owner, monkeypatch):
    monkeypatch.setattr(services, "MAX_WEBHOOKS", 1)
    WebhookFactory(user=owner.user)
    response = owner.post(PATH, body(), format="json")

    assert response.status_code == 409
    assert response.json()["error"]["code"] == "CONFLICT"


@pytest.mark.django_db(transaction=True)
def test_parallel_requests_do_not_exceed_the_number(owner, monkeypatch):
    monkeypatch.setattr(services, "MAX_WEBHOOKS", 1)

    def create():
        try:
            services.create_webhook(user=owner.user, url=URL, events=["*"])
        except services.TooManyWebhooks:
            return False
        return True

    assert sum(together(create, create, create)) == 1


@pytest.mark.django_db(transaction=True)
def test_parallel_rotations_end_with_a_secret_that_was_shown(owner):
    webhook = WebhookFactory(user=owner.user)

    def rotate():
        with transaction.atomic():
            row = Webhook.objects.select_for_update().get(pk=webhook.pk)
            services.rotate_secret(webhook=row, actor=owner.user)
        return row.shown_secret

    shown = together(*[rotate] * 4)
    webhook.refresh_from_db()
    current, former = signing_secrets(webhook, webhook.rotated_at)

    assert len({current, former, *shown}) == 4
    assert {current, former} <= set(shown)


def test_a_deleted_webhook_is_gone_with_its_secret(owner):
    webhook = WebhookFactory(user=owner.user)

    assert owner.delete(f"{PATH}/{webhook.pk}").status_code == 204
    assert not Webhook.objects.exists()


def test_the_audit_log_has_origins_and_no_secret(owner):
    created = owner.post(PATH, body(), format="json").json()["data"]
    owner.patch(f"{PATH}/{created['id']}", {"url": "https://93.184.216.34/other"}, format="json")
    owner.post(f"{PATH}/{created['id']}/rotate-secret")
    events = AuditEvent.objects.filter(target_id=created["id"]).order_by("id")

    assert [event.event for event in events] == [
        "webhook.created",
        "webhook.updated",
        "webhook.secret_rotated",
    ]
    assert events[1].changes["url"] == ["https://93.184.216.34"] * 2
    assert "s3cret" not in str([event.changes for event in events])


@pytest.mark.parametrize("values", [{"secret": ""}, {"is_active": True, "paused_at": "2026-03-14T00:00Z"}])
def test_the_database_refuses_contradictions(values):
    webhook = WebhookFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(**values)
