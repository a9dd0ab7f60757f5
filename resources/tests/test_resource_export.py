import csv
import io
import json
from types import SimpleNamespace

import pytest
from django.utils import timezone

from core.audit.models import AuditEvent
from core.files import services as files
from core.jobs.models import Job
from core.tests.answers import code, problems
from core.tests.job_results import content, finished
from core.tests.parallel import together
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/v1/resources/export"


def exported(caller, **body):
    """Export; return the bytes of the file."""
    job = finished(caller, caller.post(URL, body))
    assert (job["status"], job["progress"]) == ("succeeded", 100), job
    return content(job)


def table(written):
    return list(csv.reader(io.StringIO(written.decode(), newline="")))


def test_the_response_is_a_queued_job(owner):
    response = owner.post(URL, {"format": "csv"})
    job = response.json()["data"]

    assert response.status_code == 202
    assert response["Location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["kind"], job["status"], job["progress"]) == ("resource.export", "queued", 0)
    assert (job["result"], job["error"], job["startedAt"], job["finishedAt"]) == (None,) * 4


def test_csv_holds_every_field_of_every_row_newest_first(owner, stranger):
    old = ResourceFactory(user=owner.user, title="Old, with a comma", content='two\nlines and "quotes"')
    new = ResourceFactory(user=owner.user, title="New", tags=["red", "dark blue"], status="published")
    ResourceFactory(user=stranger.user)
    ResourceFactory(user=owner.user).soft_delete()
    header, *rows = table(exported(owner, format="csv"))

    assert header == [
        "id",
        "userId",
        "title",
        "content",
        "status",
        "tags",
        "version",
        "createdAt",
        "updatedAt",
    ]
    assert [row[0] for row in rows] == [str(new.pk), str(old.pk)]
    assert rows[0][2:6] == ["New", "", "published", "red,dark blue"]
    assert rows[1][2:4] == [old.title, old.content]
    assert rows[1][7] == owner.get(f"/api/v1/resources/{old.pk}").json()["data"]["createdAt"]


def test_csv_conforms_to_rfc_4180(owner):
    ResourceFactory(user=owner.user, title="Ünï, 漢字")
    written = exported(owner, format="csv", fields=["title"])

    assert written.decode().split("\r\n")[0] == "id,title"
    assert written.endswith('"Ünï, 漢字"\r\n'.encode())


def test_json_holds_the_rows_as_the_list_shows_them(owner):
    for number in range(3):
        ResourceFactory(user=owner.user, title=f"Number {number}", tags=["a", "b"])

    assert json.loads(exported(owner, format="json")) == owner.get("/api/v1/resources").json()["data"]


def test_an_export_without_rows_is_an_empty_table(owner):
    assert exported(owner, format="csv", fields="title") == b"id,title\r\n"
    assert json.loads(exported(owner, format="json")) == []


@pytest.mark.parametrize(
    "requested",
    [
        {"status": "published"},
        {"status": ["published", "archived"]},
        {"tag": ["red", "big"]},
        {"search": "app"},
        {"sort": "title"},
        {"sort": ["-status", "title"]},
        {"fields": ["title", "tags"]},
        {"createdAfter": "2999-01-01T00:00:00Z"},
        {"createdAt[gte]": "2999-01-01T00:00:00Z"},
        {"status[in]": ["published", "archived"]},
        {"status[in]": "published,archived", "createdAt[lt]": "2999-01-01T00:00:00Z"},
        {"status": None},
    ],
)
def test_it_accepts_the_parameters_of_the_list(owner, requested):
    for title, status, tags in (
        ("Apple", "published", ["red"]),
        ("Berry", "archived", ["red", "big"]),
        ("Application", "draft", []),
    ):
        ResourceFactory(user=owner.user, title=title, status=status, tags=tags)
    query = {name: value for name, value in requested.items() if value is not None}
    if isinstance(query.get("sort"), list):
        query["sort"] = ",".join(query["sort"])
    if "fields" in query:
        query["fields"] = ",".join(query["fields"])
    listed = owner.get("/api/v1/resources", query).json()["data"]

    assert json.loads(exported(owner, format="json", **requested)) == listed


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({}, "format", "required"),
        ({"format": None}, "format", "required"),
        ({"format": "xlsx"}, "format", "invalid_choice"),
        ({"format": ["csv"]}, "format", "invalid_choice"),
        ({"format": "csv", "staus": "draft"}, "staus", "unknown_parameter"),
        ({"format": "csv", "page": 1}, "page", "unknown_parameter"),
        ({"format": "csv", "status": "lost"}, "status", "invalid_choice"),
        ({"format": "csv", "search": ["a", "b"]}, "search", "repeated_parameter"),
        ({"format": "csv", "search": {"a": 1}}, "search", "invalid"),
        ({"format": "csv", "tag": [["a"]]}, "tag", "invalid"),
        ({"format": "csv", "createdAfter": "soon"}, "createdAfter", "invalid"),
        ({"format": "csv", "createdAfter": ""}, "createdAfter", "invalid"),
        ({"format": "csv", "createdAfter": []}, "createdAfter", "invalid"),
        ({"format": "csv", "createdAfter": ["2026-01-01T00:00:00Z"]}, "createdAfter", "invalid"),
        ({"format": "csv", "status": []}, "status", "invalid"),
        ({"format": "csv", "status[in]": []}, "status[in]", "invalid"),
        ({"format": "csv", "status[in]": ""}, "status[in]", "invalid"),
        ({"format": "csv", "title[gte]": "a"}, "title[gte]", "unknown_parameter"),
        ({"format": "csv", "sort": []}, "sort", "invalid"),
        ({"format": "csv", "sort": "content"}, "sort", "invalid"),
        ({"format": "csv", "fields": ["title", "secret"]}, "fields", "invalid"),
        ({"format": "csv", "scope": "mine"}, "scope", "invalid"),
    ],
)
def test_parameters_that_the_list_refuses_are_refused_by_the_request(owner, body, field, problem):
    response = owner.post(URL, body)

    assert code(response) == (400, "VALIDATION_ERROR")
    assert problems(response)[field] == problem
    assert not Job.objects.exists()


def test_only_an_admin_exports_rows_of_others(owner, admin):
    ResourceFactory(user=owner.user, title="Hers")

    assert json.loads(exported(admin, format="json")) == []
    assert [row["title"] for row in json.loads(exported(admin, format="json", scope="all"))] == ["Hers"]
    assert code(owner.post(URL, {"format": "csv", "scope": "all"})) == (403, "FORBIDDEN")


def test_the_result_describes_the_file(owner):
    ResourceFactory(user=owner.user)
    job = finished(owner, owner.post(URL, {"format": "csv"}))
    result = job["result"]

    assert result["filename"] == f"resources-{timezone.now():%Y-%m-%d}.csv"
    assert (result["rows"], result["format"]) == (1, "csv")
    assert result["contentType"] == "text/csv; charset=utf-8"
    assert result["size"] == len(content(job))
    event = AuditEvent.objects.get(event="resource.exported")
    assert (event.actor_id, str(event.target_id)) == (owner.user.pk, job["id"])
    assert event.changes["rows"] == [None, 1]


def test_the_same_key_exports_once(owner):
    first, second = (owner.post(URL, {"format": "csv"}, HTTP_IDEMPOTENCY_KEY="once") for _ in range(2))

    assert first.json() == second.json()
    assert second["Location"] == first["Location"]
    assert Job.objects.count() == 1


def test_all_rows_are_of_one_snapshot(owner, monkeypatch):
    """A row that is written while the file is made is not in it, not even in part."""
    for number in range(30):
        ResourceFactory(user=owner.user, title=f"Number {number:02}", tags=["old"])
    monkeypatch.setattr("core.importexport.exports.CHUNK", 5)
    changed = []
    original = files.storage.save

    def slowly(name, content):
        def pieces():
            for piece in content.chunks():
                if not changed:
                    changed.append(change(owner))
                yield piece

        return original(name, SimpleNamespace(chunks=pieces))

    monkeypatch.setattr("core.web.csv_cells.CHUNK_BYTES", 100)
    monkeypatch.setattr(files.storage, "save", slowly)
    rows = json.loads(exported(owner, format="json", sort="title"))

    assert changed == [True]
    assert [row["title"] for row in rows] == [f"Number {number:02}" for number in range(30)]
    assert {tuple(row["tags"]) for row in rows} == {("old",)}


def change(owner):
    """Write in another connection, as another request would."""

    def act():
        ResourceFactory(user=owner.user, title="New")
        for row in owner.get("/api/v1/resources?sort=-title&limit=20").json()["data"]:
            owner.patch(f"/api/v1/resources/{row['id']}", {"title": "Changed", "tags": ["new"]})
        return True

    return together(act)[0]


def test_at_most_a_hundred_unknown_keys_are_listed(owner):
    response = owner.post(URL, {"format": "csv", **{f"{n:05}": 1 for n in range(70_000)}})

    assert list(problems(response)) == [f"{n:05}" for n in range(100)]
    assert len(response.content) < 20_000


@pytest.mark.parametrize("name", ["tag", "status", "sort", "fields"])
def test_a_filter_with_too_many_values_is_refused_and_not_stored(owner, name):
    value = {"tag": "a", "status": "draft", "sort": "title", "fields": "id"}[name]

    assert problems(owner.post(URL, {"format": "csv", name: [value] * 101})) == {name: "max_length"}
    assert problems(owner.get("/api/v1/resources", {name: [value] * 101})) == {name: "max_length"}
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", ["sort", "fields"])
def test_a_list_of_names_is_bounded_in_length(owner, name):
    text = ",".join(["title"] * 100_000)

    assert problems(owner.post(URL, {"format": "csv", name: text})) == {name: "max_length"}


@pytest.mark.parametrize("scope", [{}, {"scope": "all"}])
def test_a_filter_may_have_a_hundred_tags(admin, scope):
    ResourceFactory(user=admin.user, tags=["t1"])
    response = admin.get("/api/v1/resources", {"tag": [f"t{n}" for n in range(100)], **scope})

    assert (response.status_code, response.json()["data"]) == (200, [])
