"""POST /resources/bulk: the errors are named by operation, and nothing is done."""

from uuid import uuid4

import pytest
from django.db import OperationalError, connection

from core.audit.models import AuditEvent
from resources.models import Resource, Tag
from resources.tests.factories import ResourceFactory
from resources.tests.test_bulk import URL, bulk, create, delete, update

pytestmark = pytest.mark.django_db

GOOD = create(title="Good", tags=["tag"])


def refused(response):
    """Return (status, code, the fields)."""
    error = response.json()["error"]
    return response.status_code, error["code"], [detail["field"] for detail in error["details"]]


def nothing_happened():
    return not (Resource.objects.exists() or Tag.objects.exists() or AuditEvent.objects.exists())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operations": []},
        {"operations": None},
        {"operations": {}},
        {"operations": "x"},
        {"operations": [GOOD] * 101},
    ],
)
def test_operations_are_a_list_of_1_to_100(owner, body):
    assert refused(owner.post(f"{URL}/bulk", body)) == (400, "VALIDATION_ERROR", ["operations"])
    assert nothing_happened()


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        (None, "operations.1"),
        ([], "operations.1"),
        ({}, "operations.1.method"),
        ({"method": "destroy"}, "operations.1.method"),
        ({"method": []}, "operations.1.method"),
        ({"method": "create"}, "operations.1.data"),
        ({"method": "create", "data": []}, "operations.1.data"),
        (create(), "operations.1.title"),
        (create(title=""), "operations.1.title"),
        (create(title=1), "operations.1.title"),
        (create(title="x", tags=["", "ok"]), "operations.1.tags.0"),
        (create(title="x", status="gone"), "operations.1.status"),
        ({"method": "update", "data": {}}, "operations.1.id"),
        ({"method": "update", "id": str(uuid4())}, "operations.1.data"),
        ({"method": "update", "id": 7, "data": {}}, "operations.1.id"),
        ({"method": "delete"}, "operations.1.id"),
        ({"method": "delete", "id": None}, "operations.1.id"),
        ({"method": "delete", "id": "not-one"}, "operations.1.id"),
        ({"method": "delete", "id": uuid4().hex}, "operations.1.id"),
        ({"method": "delete", "id": str(uuid4()), "ifMatch": 1}, "operations.1.ifMatch"),
        ({"method": "delete", "id": str(uuid4()), "ifMatch": None}, "operations.1.ifMatch"),
        ({"method": "update", "id": str(uuid4()), "data": {"title": ""}}, "operations.1.title"),
    ],
)
def test_an_invalid_operation_is_named(owner, operation, field):
    assert refused(bulk(owner, GOOD, operation)) == (400, "VALIDATION_ERROR", [field])
    assert nothing_happened()


def test_all_errors_are_returned_at_once(owner):
    response = bulk(
        owner,
        create(title=""),
        GOOD,
        {"method": "x"},
        create(title="x", status="y", tags=[1]),
        {"method": "delete"},
    )

    assert refused(response)[2] == [
        "operations.0.title",
        "operations.2.method",
        "operations.3.status",
        "operations.3.tags.0",
        "operations.4.id",
    ]


def test_a_refusal_of_the_body_needs_one_query_for_the_session(owner, django_assert_num_queries):
    with django_assert_num_queries(1):
        bulk(owner, GOOD, create(title=""))


def test_an_object_in_two_operations_is_refused(owner):
    resource = ResourceFactory(user=owner.user, title="Old")
    response = bulk(owner, update(resource, title="New"), GOOD, delete(resource))

    assert refused(response) == (400, "VALIDATION_ERROR", ["operations.2.id"])
    assert owner.get(f"{URL}/{resource.pk}").json()["data"]["title"] == "Old"


def test_objects_of_others_are_a_404(owner, stranger):
    theirs, mine, gone = (
        ResourceFactory(user=stranger.user),
        ResourceFactory(user=owner.user),
        ResourceFactory(user=owner.user),
    )
    gone.soft_delete()
    nobodys = Resource(pk=uuid4())
    responses = [
        bulk(owner, GOOD, update(mine, title="New"), operation(row))
        for operation in (delete, lambda row: update(row, title="x"))
        for row in (theirs, nobodys, gone)
    ]

    assert {(status, code, *fields) for status, code, fields in map(refused, responses)} == {
        (404, "NOT_FOUND", "operations.2.id")
    }
    bodies = [response.json()["error"] | {"requestId": ""} for response in responses]
    assert all(body == bodies[0] for body in bodies)
    assert not Resource.objects.filter(title__in=["Good", "New", "x"]).exists()


def test_every_unknown_object_is_named(owner):
    unknown = [Resource(pk=uuid4()) for _ in range(2)]

    assert refused(bulk(owner, delete(unknown[0]), GOOD, delete(unknown[1])))[2] == [
        "operations.0.id",
        "operations.2.id",
    ]


@pytest.mark.parametrize("operation", [lambda row: update(row, title="New"), delete])
def test_a_stale_version_is_refused_and_named(owner, operation):
    resource, other = ResourceFactory(user=owner.user), ResourceFactory(user=owner.user)
    response = bulk(owner, delete(other) | {"ifMatch": other.etag}, operation(resource) | {"ifMatch": '"v9"'})

    assert refused(response) == (412, "PRECONDITION_FAILED", ["operations.1.ifMatch"])
    assert owner.get(f"{URL}/{other.pk}").status_code == 200


@pytest.mark.parametrize("if_match", ['"v1"', "*", '"v9", "v1"'])
def test_the_current_version_is_accepted(owner, if_match):
    resource = ResourceFactory(user=owner.user)
    held = if_match.replace("v1", resource.etag.strip('"'))
    [result] = bulk(owner, update(resource, title="New") | {"ifMatch": held}).json()["data"]

    assert result["version"].startswith("v2-")


def test_an_empty_version_matches_none(owner):
    resource = ResourceFactory(user=owner.user)

    assert refused(bulk(owner, delete(resource) | {"ifMatch": ""}))[0] == 412


@pytest.mark.django_db(transaction=True)
def test_a_failure_at_the_end_rolls_back_all(owner):
    """Lose the connection at the last statement of the transaction, that of the audit."""
    resource = ResourceFactory(user=owner.user, title="Old")

    def go_away(execute, sql, params, many, context):
        if sql.startswith("INSERT") and "core_audit_auditevent" in sql:
            raise OperationalError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(go_away):
        assert bulk(owner, GOOD, update(resource, title="New")).status_code == 503
    assert list(Resource.objects.values_list("title", flat=True)) == ["Old"]
    assert not Tag.objects.exists()


def test_a_refusal_is_not_stored_under_its_key(owner):
    assert bulk(owner, create(title=""), HTTP_IDEMPOTENCY_KEY="k").status_code == 400
    assert bulk(owner, GOOD, HTTP_IDEMPOTENCY_KEY="k").status_code == 200
