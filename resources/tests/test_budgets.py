"""What a request may cost, in numbers that depend on no machine: statements, and calls of Python functions.

A budget is what it costs today and a tenth more. Whoever needs more raises it here, and says why; whoever makes it
cheaper lowers it. Times are in docs/performance.md.
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

# {what: (statements, function calls)}, with BEGIN and COMMIT. About 115 calls of each are the rate limit's command to
# Redis by django-redis, in place of a client of our own (decision 32).
BUDGETS = {
    "list": (2, 1390),
    "list not modified": (1, 1085),
    "detail": (2, 1305),
    "create": (5, 3810),  # every field represents its value, as in REST framework
    # The row is looked for, locked by a plain query of its key, and looked for again: any query may be written to.
    "change": (6, 10780),
    "delete": (6, 8150),
}


@pytest.fixture
def ask():
    """Requests to the middlewares and the view, without server and test client."""
    user = UserFactory()
    rows = [ResourceFactory(user=user, content="text " * 100, tags=["a", "b"]) for _ in range(25)]
    token = open_session(user).access
    factory, handler = RequestFactory(), WSGIHandler()
    handler.load_middleware()

    def request(method, path, body=None, **headers):
        content = {"data": body, "content_type": "application/json"} if body is not None else {}
        asked = getattr(factory, method)(path, HTTP_AUTHORIZATION=f"Bearer {token}", **content, **headers)
        return lambda: handler.get_response(asked)

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
def test_statements(ask, what):
    ask[what]()()  # what is found out once
    act = ask[what]()
    with CaptureQueriesContext(connection) as queries:
        response = act()

    assert response.status_code < 400
    messages_of = [query["sql"][:60] for query in queries if "SAVEPOINT" not in query["sql"]]
    plain = 2 if connection.vendor == "sqlite" else 0  # the count apart, the tags apart
    assert len(messages_of) <= BUDGETS[what][0] + plain, messages_of


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the budgets are those of production")
@pytest.mark.parametrize("what", BUDGETS)
def test_function_calls(ask, what):
    for _ in range(3):
        ask[what]()()

    made = calls_of(ask[what]())
    assert made <= BUDGETS[what][1]
