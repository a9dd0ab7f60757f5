"""The cost of a request, in numbers that depend on no machine: statements, and calls of Python functions.

A budget is today's cost and a tenth more. A change that needs more raises it here, with its reason; a change that
makes a request cheaper lowers it. Times are in docs/performance.md.
"""

import sys

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from accounts.services.sessions import open_session
from accounts.tests.factories import UserFactory
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db
LIST = "/api/v1/resources"
NEW = {"title": "New", "content": "text " * 100, "tags": ["a", "b"]}

# {request: (statements, function calls)}, with BEGIN and COMMIT. About 115 calls of each are the rate limit's command
# to Redis by django-redis (decision 32), 11 look whether the user may be served, whatever authenticated, and 5 of each
# statement are the watch for slow ones.
BUDGETS = {
    # The parameters are found for each request: a view may choose its filters by the caller.
    "list": (2, 1620),
    "list not modified": (1, 1310),
    "detail": (2, 1370),
    # Of each write one statement looks for webhooks that have subscribed to its event (decision 43).
    "create": (6, 4070),  # every field represents its value, as in REST framework
    # The row is read, locked by a plain query of its key, and read again, because the view may have any query.
    "change": (7, 10850),
    "delete": (7, 8200),
}


@pytest.fixture
def requests():
    """Return functions that send requests to the middlewares and the view, without server and test client."""
    user = UserFactory()
    rows = [ResourceFactory(user=user, content="text " * 100, tags=["a", "b"]) for _ in range(25)]
    token = open_session(user).access
    factory, handler = RequestFactory(), WSGIHandler()
    handler.load_middleware()

    def request(method, path, body=None, **headers):
        content = {"data": body, "content_type": "application/json"} if body is not None else {}
        request_object = getattr(factory, method)(
            path, HTTP_AUTHORIZATION=f"Bearer {token}", **content, **headers
        )
        return lambda: handler.get_response(request_object)

    etag = request("get", LIST)()["ETag"]
    one, gone = rows[0].pk, iter(rows[5:])
    return {
        "list": lambda: request("get", LIST),
        "list not modified": lambda: request("get", LIST, HTTP_IF_NONE_MATCH=etag),
        "detail": lambda: request("get", f"{LIST}/{one}"),
        "create": lambda: request("post", LIST, NEW),
        "change": lambda: request("patch", f"{LIST}/{one}", {"title": f"Changed {next(numbers)}"}),
        "delete": lambda: request("delete", f"{LIST}/{next(gone).pk}"),
    }


numbers = iter(range(1000))


def calls_of(act):
    made = 0

    def count(_frame, event, _argument):
        nonlocal made
        made += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("what", BUDGETS)
def test_statements(requests, what):
    requests[what]()()  # fills the caches of the process
    act = requests[what]()
    with CaptureQueriesContext(connection) as queries:
        response = act()

    assert response.status_code < 400
    statements = [query["sql"][:60] for query in queries if "SAVEPOINT" not in query["sql"]]
    plain = 2 if connection.vendor == "sqlite" else 0  # the count apart, the tags apart
    assert len(statements) <= BUDGETS[what][0] + plain, statements


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the budgets are those of production")
@pytest.mark.parametrize("what", BUDGETS)
def test_function_calls(requests, what):
    for _ in range(3):
        requests[what]()()

    made = calls_of(requests[what]())
    assert made <= BUDGETS[what][1]
