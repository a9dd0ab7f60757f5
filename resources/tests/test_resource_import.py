import json

import pytest
from uuid_utils.compat import uuid7

from core.audit.models import AuditEvent
from core.tests.job_results import content, finished
from core.tests.normalisation import HOSTILE
from resources.models import Resource
from resources.tests.factories import ResourceFactory
from resources.tests.importing import counts, imported, titles, wrong

pytestmark = pytest.mark.django_db(transaction=True)

# --- what is stored -------------------------------------------------------------------------------


def test_csv_rows_become_resources(owner):
    result = imported(
        owner,
        'title,content,status,tags\r\nOne,"a, b",published,"red,dark blue"\r\nTwo,,,\r\n',
    )
    rows = {row["title"]: row for row in owner.get("/api/v1/resources").json()["data"]}

    assert counts(result) == (2, 0, 0, 0)
    assert (rows["One"]["content"], rows["One"]["status"], rows["One"]["tags"]) == (
        "a, b",
        "published",
        ["red", "dark blue"],
    )
    assert (rows["Two"]["content"], rows["Two"]["status"], rows["Two"]["tags"]) == ("", "draft", [])
    assert [row["title"] for row in owner.get("/api/v1/resources?search=dark").json()["data"]] == ["One"]


def test_json_rows_become_resources(owner):
    body = json.dumps([{"title": "One", "tags": ["red"]}, {"title": "Two", "content": "=1+1", "userId": "x"}])

    assert counts(imported(owner, body, "rows.json")) == (2, 0, 0, 0)
    assert titles() == ["One", "Two"]
    assert Resource.objects.get(title="Two").content == "=1+1"


def test_created_rows_belong_to_the_caller_and_are_audited(owner, admin):
    imported(admin, f"title,userId\nOne,{owner.user.pk}\n")
    resource = Resource.objects.get()
    event = AuditEvent.objects.get(event="resource.created")

    assert resource.user == admin.user
    assert (event.actor_id, event.target_id) == (admin.user.pk, resource.pk)
    summary = AuditEvent.objects.get(event="resource.imported")
    assert summary.changes["created"] == [None, 1]


def test_bad_rows_are_reported_and_the_good_ones_stored(owner):
    long = "x" * 256
    result = imported(
        owner, f"title,status,tags\nGood,,\n,draft,\n{long},lost,\nFine,,\nX,,{'t' * 51}\nY,Z\n\nLast,,\n"
    )

    assert titles() == ["Fine", "Good", "Last"]
    assert (result["rows"], counts(result)) == (7, (3, 0, 0, 4))
    assert wrong(result) == [
        (2, "title", "blank"),
        (3, "title", "max_length"),
        (3, "status", "invalid_choice"),
        (5, "tags.0", "max_length"),
        (6, "status", "invalid_choice"),
    ]


def test_json_rows_that_are_no_objects_are_reported(owner):
    body = json.dumps([{"title": "Good"}, 7, "x", None, {"title": 5}, {"title": "A", "tags": "red"}, {}])
    result = imported(owner, body, "rows.json")

    assert titles() == ["A", "Good"]
    assert wrong(result) == [
        (2, None, "invalid"),
        (3, None, "invalid"),
        (4, None, "invalid"),
        (5, "title", "invalid"),
        (7, "title", "required"),
    ]


UNSTORABLE = ["\0", "\ud800"]


@pytest.mark.parametrize("text", UNSTORABLE)
def test_characters_that_cannot_be_stored_are_an_error_of_the_row(owner, text):
    rows = [{name: text} for name in ("title", "content", "status", "tags", "id")]
    rows += [{"status": {text: 1}}, {"status": [text]}, {"tags": [text]}, {}]
    body = [{"title": "Bad", **row} for row in rows] + [{"title": "Good", text: text}]
    result = imported(owner, json.dumps(body), "rows.json")

    assert (titles(), counts(result)) == (["Bad", "Good"], (2, 0, 0, 8))
    assert [field for _row, field, _code in wrong(result)] == [
        *("title", "content", "status", "tags", "id", "status", "status.0", "tags.0")
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_nul_far_down_a_csv_is_an_error_of_its_row(owner, encoding):
    rows = "Good,draft\n" * 7_000 + "Bad,dra\0ft\nB\0d,draft\n"
    nul = "\0" if encoding == "utf-16" else ""
    result = imported(owner, f"title,status,col{nul}our\n{rows}".encode(encoding))

    assert wrong(result) == [(7001, "status", "invalid_characters"), (7002, "title", "invalid_characters")]
    assert "\0" not in json.dumps(result, ensure_ascii=False)


def test_unknown_columns_are_named(owner):
    result = imported(owner, "id,userId,title,colour,createdAt\n,x,One,red,2020\n")

    assert result["ignoredColumns"] == ["userId", "colour", "createdAt"]
    assert counts(result) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    "body",
    [
        "title;status\nOne;draft\n",
        "title\tstatus\nOne\tdraft\n",
        "\ufefftitle,status\r\nOne,draft\r\n",
        '"title","status"\n"One","draft"',
        "title,status\n\n\nOne,draft\n\n",
        " title , status \nOne,draft\n",
    ],
)
def test_it_reads_csv_as_spreadsheets_write_it(owner, body):
    assert counts(imported(owner, body)) == (1, 0, 0, 0)
    assert titles() == ["One"]


@pytest.mark.parametrize("body", ["[]", " [ ] ", "title\n", "title,status\r\n"])
def test_a_file_without_rows_changes_nothing(owner, body):
    assert counts(imported(owner, body)) == (0, 0, 0, 0)


# --- ids ------------------------------------------------------------------------------------------


def test_the_same_file_again_creates_no_duplicates(owner):
    body = f"id,title,tags\n{uuid7()},One,red\n{uuid7()},Two,\n"
    results = [counts(imported(owner, body)) for _ in range(3)]

    assert results == [(2, 0, 0, 0), (0, 0, 2, 0), (0, 0, 2, 0)]
    assert titles() == ["One", "Two"]
    assert set(Resource.objects.values_list("version", flat=True)) == {1}


def test_a_row_with_an_id_changes_the_named_fields_only(owner):
    resource = ResourceFactory(user=owner.user, title="Old", content="stays", tags=["red"])
    result = imported(owner, f"id,title\n{resource.pk},New\n")
    resource.refresh_from_db()

    assert counts(result) == (0, 1, 0, 0)
    assert (resource.title, resource.content, resource.version) == ("New", "stays", 2)
    event = AuditEvent.objects.get(event="resource.updated")
    assert event.changes == {"title": ["Old", "New"]}


def test_a_row_of_another_user_is_the_error_of_an_unknown_id(owner, stranger):
    theirs = ResourceFactory(user=stranger.user, title="Theirs")
    trashed = ResourceFactory(user=owner.user)
    trashed.soft_delete()
    result = imported(owner, f"id,title\n{theirs.pk},Mine\n{trashed.pk},Mine\n{uuid7()},New\n")
    theirs.refresh_from_db()

    assert (theirs.title, theirs.version) == ("Theirs", 1)
    assert counts(result) == (1, 0, 0, 2)
    assert wrong(result) == [(1, "id", "conflict"), (2, "id", "conflict")]
    assert len({error["message"] for error in result["errors"]}) == 1


@pytest.mark.parametrize("key", ["7", "not-a-uuid", "0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c1", "x" * 36])
def test_an_invalid_id_is_an_error(owner, key):
    assert wrong(imported(owner, f"id,title\n{key},One\n")) == [(1, "id", "invalid")]


def test_a_repeated_id_is_an_error_of_the_second_row(owner):
    key = uuid7()
    body = f"id,title\n{key},First\n,Other\n{str(key).upper()},Second\n"
    result = imported(owner, body)

    assert wrong(result) == [(3, "id", "repeated")]
    assert titles() == ["First", "Other"]


def test_rows_without_an_id_are_created_each_time(owner):
    imported(owner, "title\nOne\n")
    imported(owner, "title\nOne\n")

    assert titles() == ["One", "One"]


def test_an_imported_export_changes_nothing(owner):
    for number, title in enumerate(["=SUM(A1)", "'=quoted", "plain, comma", "-5", "＝full", '"q"']):
        tags = [f"t{number}", "with, comma", '"quoted"', "=tag"][: number % 5]
        ResourceFactory(user=owner.user, title=title, content=f"\t{title}\r\nline", tags=tags)
    for form in ("csv", "json"):
        written = content(finished(owner, owner.post("/api/v1/resources/export", {"format": form})))
        assert counts(imported(owner, written, f"rows.{form}")) == (0, 0, 6, 0)


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_text_that_is_slow_to_normalise_is_a_bad_row(owner, normalised, kind):
    text = HOSTILE[kind]
    rows = [{"title": text}, {"title": "T", "content": text}, {"title": "T", "tags": ["fine", text]}]
    result = imported(owner, json.dumps([*rows, {"title": "Good"}]), "rows.json")

    assert (counts(result), titles()) == ((1, 0, 0, 3), ["Good"])
    assert [field for _row, field, _code in wrong(result)] == ["title", "content", "tags.1"]
    assert normalised == []
