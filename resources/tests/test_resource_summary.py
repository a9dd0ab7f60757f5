"""POST /resources/{id}/summary: its job, who gets the text, and a service that is away or answers nonsense."""

import json

import pytest

from core.audit.models import AuditEvent
from core.jobs import services as jobs
from core.jobs.models import Job
from core.summaries import service as summaries
from core.summaries.service import MAX_SUMMARY, MAX_TEXT
from core.tests.answers import code, problems
from core.tests.job_results import finished
from core.tests.parallel import together
from core.tests.text_service import KEY, text_service
from core.web.http_client import HttpClient
from core.web.other_services import TextService
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def service(settings, monkeypatch):
    monkeypatch.setattr(summaries, "client", HttpClient("tests", allow_private=True))
    with text_service() as running:
        settings.SUMMARIES = TextService(running.url, "small", KEY)
        yield running


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="Bridges", content="They span rivers.")


def url(resource):
    return f"/api/v1/resources/{resource.pk}/summary"


def failed(caller, response):
    """Run the job until its last attempt; return it."""
    assert response.status_code == 202, response.content
    for _ in range(jobs.MAX_ATTEMPTS):
        Job.objects.update(due_at="2020-01-01T00:00:00Z")
        jobs.run_due()
    return caller.get(response["Location"]).json()["data"]


def test_the_response_is_a_queued_job(service, owner, resource):
    response = owner.post(url(resource))
    job = response.json()["data"]

    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["status"], job["result"]) == ("resource.summary", "queued", None)
    assert service.requests == []


def test_the_result_holds_the_summary(service, owner, resource):
    job = finished(owner, owner.post(url(resource)))

    assert job["status"] == "succeeded"
    assert job["result"] == {"summary": "About Bridges, in 26 characters.", "model": "small"}
    event = AuditEvent.objects.get(event="resource.summarized")
    assert (event.actor_id, event.target_id) == (owner.user.pk, resource.pk)


def test_the_service_gets_the_text_the_model_and_the_request_id(service, owner, resource):
    finished(owner, owner.post(url(resource), HTTP_X_REQUEST_ID="mine"))
    [request] = service.requests

    assert request["headers"]["X-Request-ID"] == "mine"
    assert request["body"]["model"] == "small"
    assert request["body"]["messages"][1] == {"role": "user", "content": "Bridges\n\nThey span rivers."}
    assert request["body"]["max_completion_tokens"] == 1000


def test_a_long_text_is_cut_before_it_is_sent(service, owner):
    resource = ResourceFactory(user=owner.user, title="Long", content="a" * 100_000)
    finished(owner, owner.post(url(resource)))

    assert len(service.requests[0]["body"]["messages"][1]["content"]) == MAX_TEXT


def test_a_long_summary_is_cut_and_has_no_control_characters(service, owner, resource):
    text = "\0\x1b\u202e" + "a" * 5000
    service.answer = lambda _request: (200, {"choices": [{"message": {"content": text}}]})

    assert finished(owner, owner.post(url(resource)))["result"]["summary"] == "a" * MAX_SUMMARY


def test_without_a_key_there_is_nothing(settings, owner, resource):
    settings.SUMMARIES = None

    assert code(owner.post(url(resource))) == (404, "NOT_FOUND")
    assert not Job.objects.exists()


def test_a_stranger_gets_what_an_unknown_object_gets(service, stranger, anonymous, resource):
    assert code(stranger.post(url(resource))) == (404, "NOT_FOUND")
    assert code(anonymous.post(url(resource))) == (401, "UNAUTHORIZED")
    assert not Job.objects.exists()


def test_an_unknown_parameter_is_refused(service, owner, resource):
    assert problems(owner.post(f"{url(resource)}?lang=de")) == {"lang": "unknown_parameter"}


# --- who gets the text ------------------------------------------------------------------------------


def test_nothing_of_an_object_that_was_deleted_meanwhile_is_sent(service, owner, resource):
    response = owner.post(url(resource))
    resource.soft_delete()
    job = finished(owner, response)

    assert (job["status"], job["error"]["code"]) == ("failed", "NOT_FOUND")
    assert service.requests == []


def test_the_summary_of_an_object_that_is_deleted_during_the_request_is_not_stored(service, owner, resource):
    answer = service.answer

    def delete_first(request):
        together(lambda: owner.delete(f"/api/v1/resources/{resource.pk}"))  # closes its connection
        return answer(request)

    service.answer = delete_first
    job = finished(owner, owner.post(url(resource)))

    assert (job["status"], job["error"]["code"], job["result"]) == ("failed", "NOT_FOUND", None)


def test_the_text_is_withheld_while_its_object_cannot_be_read(service, owner, resource):
    response = owner.post(url(resource))
    assert finished(owner, response)["result"]["summary"]
    before = owner.get(response["Location"])["ETag"]
    resource.soft_delete()
    hidden = owner.get(response["Location"], HTTP_IF_NONE_MATCH=before)

    assert hidden.json()["data"]["result"] == {"summary": None, "model": "small"}
    resource.restore()
    shown = owner.get(response["Location"], HTTP_IF_NONE_MATCH=hidden["ETag"])
    assert shown.json()["data"]["result"]["summary"]


def test_the_text_is_withheld_from_another_role_than_that_of_the_request(service, admin, resource):
    response = admin.post(url(resource))
    assert finished(admin, response)["result"]["summary"]
    type(admin.user).objects.filter(pk=admin.user.pk).update(role="user")

    assert admin.get(response["Location"]).json()["data"]["result"]["summary"] is None


def test_lists_and_the_personal_data_of_another_time_do_not_show_it(service, owner, resource):
    finished(owner, owner.post(url(resource)))
    [listed] = owner.get("/api/v1/jobs").json()["data"]
    assert listed["result"] == {"summary": None, "model": "small"}
    exported = owner.get("/api/v1/users/me/export").json()["data"]["jobs"]
    assert exported[0]["result"]["summary"] == "About Bridges, in 26 characters."
    resource.soft_delete()

    assert owner.get("/api/v1/users/me/export").json()["data"]["jobs"][0]["result"]["summary"] is None


# --- costs -----------------------------------------------------------------------------------------


def test_the_same_key_summarizes_once(service, settings, owner, resource):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "summary": (1, 3600)}
    first, second = (owner.post(url(resource), HTTP_IDEMPOTENCY_KEY="once") for _ in range(2))

    assert first.json() == second.json()
    assert Job.objects.count() == 1


def test_the_limit_of_summaries_is_of_each_user(service, settings, owner, admin, resource):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "summary": (2, 3600)}
    statuses = [owner.post(url(resource)).status_code for _ in range(2)]
    refused = owner.post(url(resource))

    assert statuses == [202, 202]
    assert code(refused) == (429, "RATE_LIMITED")
    assert int(refused["Retry-After"]) > 3000
    assert refused["RateLimit-Limit"] == "2"
    assert admin.post(url(resource)).status_code == 202


def test_a_refused_request_is_not_counted(service, settings, owner, stranger, resource):
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "summary": (1, 3600)}
    assert stranger.post(url(resource)).status_code == 404

    assert stranger.post(url(ResourceFactory(user=stranger.user))).status_code == 202


# --- a service that fails ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        (503, {"error": "busy"}),
        (429, {"error": "busy"}),
        (302, {}),
        (200, b"<html>"),
        (200, []),
        (200, {"choices": []}),
        (200, {"choices": [{"message": {"content": None}}]}),
        (200, {"choices": [{"message": {"content": {"a": "b"}}}]}),
        (200, {"choices": [{"message": {"content": " "}}]}),
        (200, json.dumps({"choices": [{"message": {"content": "a" * 2**20}}]}).encode()),
    ],
    ids=["503", "429", "redirect", "html", "list", "no choice", "no text", "object", "blank", "too large"],
)
def test_a_response_that_is_no_summary_fails_the_job_after_its_attempts(service, owner, resource, answer):
    service.answer = lambda _request: answer
    job = failed(owner, owner.post(url(resource)))

    assert (job["status"], job["error"]["code"], job["result"]) == ("failed", "SERVICE_UNAVAILABLE", None)
    assert "summaries" in job["error"]["message"]
    assert len(service.requests) == jobs.MAX_ATTEMPTS


def test_a_wrong_key_fails_the_job_and_is_not_shown(service, settings, owner, resource):
    settings.SUMMARIES = TextService(service.url, "small", "sk-wrong")
    job = failed(owner, owner.post(url(resource)))

    assert job["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert "sk-wrong" not in json.dumps(job) + str(Job.objects.values_list("last_error", flat=True))


def test_a_service_that_is_away_is_tried_again_and_everything_else_goes_on(service, owner, resource):
    answers = [(503, {}), (503, {})]
    succeed = service.answer
    service.answer = lambda request: answers.pop() if answers else succeed(request)
    response = owner.post(url(resource))
    jobs.run_due()
    waiting = owner.get(response["Location"]).json()["data"]

    assert (waiting["status"], waiting["error"]) == ("queued", None)
    assert owner.post("/api/v1/resources", {"title": "New"}).status_code == 201
    assert finished(owner, owner.post("/api/v1/resources/export", {"format": "csv"}))["status"] == "succeeded"
    assert failed(owner, response)["status"] == "succeeded"
    assert Resource.objects.count() == 2
