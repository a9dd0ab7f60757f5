import pytest

from core.audit.models import AuditEvent
from core.tests.answers import problems
from resources.models import Resource, Tag
from resources.tests.factories import TagFactory

pytestmark = pytest.mark.django_db

URL = "/api/v1/resources"


def test_creates_for_the_caller(owner):
    response = owner.post(URL, {"title": "  First  ", "tags": ["B", "a", "b"]})

    assert response.status_code == 201
    assert response.json()["data"]["title"] == "First"
    assert response.json()["data"]["tags"] == ["b", "a"]
    assert response.json()["data"]["userId"] == str(owner.user.pk)


def test_returns_exactly_the_documented_fields(owner):
    data = owner.post(URL, {"title": "First"}).json()["data"]

    fields = [
        "id",
        "userId",
        "title",
        "content",
        "status",
        "tags",
        "attachments",
        "version",
        "createdAt",
        "updatedAt",
    ]
    assert list(data) == fields
    assert data["createdAt"] == data["updatedAt"]
    assert data["createdAt"].endswith("Z")


def test_optional_fields_have_defaults(owner):
    data = owner.post(URL, {"title": "First"}).json()["data"]

    assert (data["content"], data["status"], data["tags"]) == ("", "draft", [])


def test_location_and_etag_are_those_of_the_created_resource(owner):
    response = owner.post(URL, {"title": "First", "content": " kept as it is \n", "tags": ["x"]})

    detail = owner.get(response["Location"])
    assert detail.json()["data"] == response.json()["data"]
    assert detail["ETag"] == response["ETag"]
    assert response["Location"] == f"{URL}/{response.json()['data']['id']}"


def test_read_only_fields_are_ignored(owner, stranger):
    body = {
        "title": "First",
        "id": "01890000-0000-7000-8000-000000000000",
        "userId": str(stranger.user.pk),
        "user": str(stranger.user.pk),
        "createdAt": "2001-01-01T00:00:00Z",
        "version": 99,
        "deletedAt": "2001-01-01T00:00:00Z",
        "searchText": " everything",
        "nonsense": {"deep": [1]},
    }
    resource = Resource.objects.get(pk=owner.post(URL, body).json()["data"]["id"])

    assert resource.user == owner.user
    assert resource.version == 1
    assert resource.created_at.year > 2001
    assert (resource.deleted_at, resource.search_text) == (None, " first")
    assert str(resource.pk) != body["id"]


@pytest.mark.parametrize("title", ["x", "x" * 255, " " + "x" * 255 + " ", "مرحبا", "🎈" * 255])
def test_a_title_has_1_to_255_characters(owner, title):
    response = owner.post(URL, {"title": title})

    assert response.json()["data"]["title"] == title.strip()


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("", "blank"),
        ("   ", "blank"),
        ("x" * 256, "max_length"),
        (None, "null"),
        (12, "invalid"),
        (True, "invalid"),
        (["x"], "invalid"),
        ({"x": 1}, "invalid"),
    ],
)
def test_any_other_title_is_refused(owner, title, why):
    assert problems(owner.post(URL, {"title": title})) == {"title": why}
    assert not Resource.objects.exists()


def test_the_title_is_required(owner):
    assert problems(owner.post(URL, {})) == {"title": "required"}


def test_content_has_up_to_100_000_characters(owner):
    assert owner.post(URL, {"title": "x", "content": "é" * 100_000}).status_code == 201
    assert problems(owner.post(URL, {"title": "x", "content": "é" * 100_001})) == {"content": "max_length"}


def test_content_is_stored_unchanged(owner):
    content = "  <script>alert('{{ 1 }}')</script>\r\n\t%s ' \" \\ "
    response = owner.post(URL, {"title": "x", "content": content})

    assert owner.get(response["Location"]).json()["data"]["content"] == content


@pytest.mark.parametrize("status", ["published", "archived", "draft"])
def test_every_status_of_the_contract_is_accepted(owner, status):
    assert owner.post(URL, {"title": "x", "status": status}).json()["data"]["status"] == status


@pytest.mark.parametrize(
    ("status", "why"),
    [("Draft", "invalid_choice"), ("", "invalid_choice"), (None, "null"), (1, "invalid_choice")],
)
def test_any_other_status_is_refused(owner, status, why):
    assert problems(owner.post(URL, {"title": "x", "status": status})) == {"status": why}


def test_every_problem_is_named_at_once_with_nested_fields_dotted(owner):
    response = owner.post(URL, {"content": None, "status": "x", "tags": ["ok", "", 3]})

    assert problems(response) == {
        "title": "required",
        "content": "null",
        "status": "invalid_choice",
        "tags.1": "blank",
        "tags.2": "invalid",
    }


def test_an_existing_tag_is_not_created_again(owner):
    tag = TagFactory(user=owner.user, name="red")
    owner.post(URL, {"title": "x", "tags": ["Red"]})

    assert Tag.objects.get() == tag


def test_nothing_is_stored_when_it_is_refused(owner):
    owner.post(URL, {"title": "x", "tags": ["new"], "status": "x"})

    assert not Tag.objects.exists()
    assert not Resource.objects.exists()


def test_it_is_audited_with_actor_and_target(owner):
    response = owner.post(URL, {"title": "x"}, HTTP_USER_AGENT="browser/1")
    event = AuditEvent.objects.get(event="resource.created")

    assert (event.actor_id, event.target_type) == (owner.user.pk, "resources.resource")
    assert str(event.target_id) == response.json()["data"]["id"]
    assert (event.request_id, event.user_agent) == (response["X-Request-ID"], "browser/1")


def test_an_unknown_parameter_is_refused_and_nothing_created(owner):
    assert problems(owner.post(f"{URL}?dryRun=1", {"title": "x"})) == {"dryRun": "unknown_parameter"}
    assert not Resource.objects.exists()


def test_a_problem_has_the_limit_that_its_message_names(owner):
    long = {"title": "x" * 256, "tags": ["x" * 51]}
    operation = {"operations": [{"method": "create", "data": long}]}
    details = [
        *owner.post(URL, long).json()["error"]["details"],
        *owner.post(f"{URL}/bulk", operation).json()["error"]["details"],
        *owner.get(URL, {"search": "x" * 201, "limit": 20}).json()["error"]["details"],
        *owner.get(URL, {"limit": 101}).json()["error"]["details"],
    ]

    assert [(item["field"], item["params"]) for item in details] == [
        ("title", {"max": 255}),
        ("tags.0", {"max": 50}),
        ("operations.0.title", {"max": 255}),
        ("operations.0.tags.0", {"max": 50}),
        ("search", {"max": 200}),
        ("limit", {"min": 1, "max": 100}),
    ]
