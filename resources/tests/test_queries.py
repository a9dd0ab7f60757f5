"""The number of queries is fixed, however many rows there are."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.services.sessions import open_session
from accounts.tests.factories import UserFactory
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db


def grow_resources(user, number):
    for index in range(number):
        ResourceFactory(user=user, tags=["everywhere", f"tag{index % 7}"])


def grow_trash(user, number):
    for _ in range(number):
        ResourceFactory(user=user, tags=["a", "b"]).soft_delete()


def grow_users(_user, number):
    UserFactory.create_batch(number)


def grow_sessions(user, number):
    for _ in range(number):
        open_session(user)


def queries_and_rows(caller, url):
    with CaptureQueriesContext(connection) as queries:
        response = caller.get(url)
    assert response.status_code == 200, response.content
    return len(queries), len(response.json()["data"])


LISTS = [
    ("/api/v1/resources", grow_resources, 4),
    ("/api/v1/resources?scope=all", grow_resources, 4),
    ("/api/v1/resources?tag=everywhere&status=draft&search=res&sort=title,-status", grow_resources, 5),
    ("/api/v1/resources?fields=title", grow_resources, 4),
    ("/api/v1/resources/trash", grow_trash, 4),
    ("/api/v1/tags", grow_resources, 3),
    ("/api/v1/users", grow_users, 3),
    ("/api/v1/auth/sessions", grow_sessions, 3),
]


@pytest.mark.parametrize(("url", "grow", "most"), LISTS)
def test_the_queries_of_a_list_do_not_grow_with_its_rows(admin, url, grow, most):
    url = f"{url}{'&' if '?' in url else '?'}limit=100"
    grow(admin.user, 1)
    few, rows_before = queries_and_rows(admin, url)
    grow(admin.user, 49)
    many, rows_after = queries_and_rows(admin, url)

    assert rows_after > rows_before
    assert many == few <= most


def test_authentication_is_one_query(owner, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert owner.options("/api/v1/resources").status_code == 200


def test_reading_one_resource_is_at_most_three(owner, django_assert_max_num_queries):
    resource = ResourceFactory(user=owner.user, tags=["a", "b"])

    with django_assert_max_num_queries(3):
        assert owner.get(f"/api/v1/resources/{resource.pk}").status_code == 200


def test_a_refused_request_needs_one_query_for_the_session(owner, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert owner.get("/api/v1/resources?nonsense=1").status_code == 400


def test_an_anonymous_request_needs_no_query(anonymous, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert anonymous.get("/api/v1/resources").status_code == 401


@pytest.mark.parametrize("method", ["put", "patch"])
def test_the_queries_of_a_write_do_not_grow_with_its_tags(owner, method):
    def cost(tags):
        resource = ResourceFactory(user=owner.user, tags=["old"])
        with CaptureQueriesContext(connection) as queries:
            response = getattr(owner, method)(
                f"/api/v1/resources/{resource.pk}", {"title": "x", "tags": tags}
            )
        assert response.status_code == 200
        return len(queries)

    assert cost(["new"]) == cost([f"t{number}" for number in range(20)])


def test_the_first_page_is_read_from_an_index_without_sorting(owner):
    """A sort of all rows of a user for one page would grow with their number."""
    grow_resources(owner.user, 3)
    with CaptureQueriesContext(connection) as queries:
        owner.get("/api/v1/resources?limit=1")
    [sql] = [
        query["sql"]
        for query in queries
        if "ORDER BY" in query["sql"] and "LIMIT" in query["sql"] and "resources_resource" in query["sql"]
    ]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # three rows are read faster without any index
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")  # of three rows, that would cost nothing
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}")
        steps = cursor.fetchall()
        plan = str(steps)

    assert "resource_newest" in plan or "resource_of_all" in plan
    assert "Sort Key: resources_resource" not in plan
    if connection.vendor == "sqlite":  # (id, parent, _, text): the tags of one row may be sorted
        assert "TEMP B-TREE" not in str([step for step in steps if step[1] == 0])


def test_filters_use_no_distinct(owner):
    """DISTINCT would compare whole contents, although no row can be repeated."""
    with CaptureQueriesContext(connection) as queries:
        owner.get("/api/v1/resources?status=draft&status=published&tag=a&tag=b&search=c")

    assert "DISTINCT" not in str(queries.captured_queries)


def test_expired_sessions_are_not_queried(owner):
    open_session(owner.user)
    owner.user.sessions.exclude(pk=owner.session_id).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert queries_and_rows(owner, "/api/v1/auth/sessions")[1] == 1
