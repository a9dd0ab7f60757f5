"""Attachments and imports are scanned before they are accepted, if a scanner is set."""

import pytest

from core.audit.models import AuditEvent
from core.files import scanning
from core.files.models import StoredFile
from core.jobs.models import Job
from core.tests.answers import code, problems
from core.tests.ports import free_port
from core.tests.samples import upload
from core.tests.scanner import MALWARE, running_scanner
from core.web.http_client.breaker import Breaker
from core.web.other_services import parse_scanner
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scanner(settings, monkeypatch):
    monkeypatch.setattr(scanning, "breaker", Breaker(1000, 10))
    with running_scanner() as running:
        settings.UPLOAD_SCANNER = parse_scanner(running.url)
        yield running


@pytest.fixture(params=["attachments", "import"])
def send(request, disk, owner):
    resource = ResourceFactory(user=owner.user)
    path = "resources/import" if request.param == "import" else f"resources/{resource.pk}/attachments"

    def post(content, **headers):
        return owner.post(f"/api/v1/{path}", upload(content, "a.csv"), format="multipart", **headers)

    return post


def test_a_clean_file_is_accepted(scanner, send):
    assert send(b"title\nApple\n").status_code in {201, 202}
    assert scanner.scanned == [b"title\nApple\n"]


def test_an_infected_file_is_refused_and_leaves_only_an_audit_event(scanner, send, owner):
    response = send(b"title\n" + MALWARE)

    assert code(response) == (400, "VALIDATION_ERROR")
    assert problems(response) == {"file": "infected"}
    assert not StoredFile.objects.exists()
    assert not Job.objects.exists()
    assert AuditEvent.objects.get(event="file.infected").actor_id == owner.user.pk


def test_without_its_scanner_no_file_is_accepted(scanner, settings, send):
    settings.UPLOAD_SCANNER = parse_scanner(f"tcp://127.0.0.1:{free_port()}")
    response = send(b"title\nApple\n")

    assert code(response) == (503, "SERVICE_UNAVAILABLE")
    assert response["Retry-After"]
    assert not StoredFile.objects.exists()


def test_a_repetition_with_a_key_is_not_scanned_again(scanner, send):
    first, second = (send(b"title\nApple\n", HTTP_IDEMPOTENCY_KEY="once") for _ in range(2))

    assert first.json() == second.json()
    assert len(scanner.scanned) == 1
