"""Operations that end are announced: in the headers of every response of theirs, and in the OpenAPI document."""

from datetime import UTC, date, datetime

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.http import parse_http_date
from drf_spectacular.generators import SchemaGenerator

from accounts.tests.factories import UserFactory
from config.tests.sample_models import Customer, viewset
from core.api.checks import check_deprecations
from core.api.deprecation import Deprecation

pytestmark = pytest.mark.usefixtures("sample_tables")
GUIDE = "https://example.com/guide"
ENDING = Deprecation(date(2026, 11, 1), sunset=date(2027, 5, 1), link=GUIDE)


@pytest.fixture
def ending():
    """Return a viewset of which one action ends."""
    return viewset(Customer, "name", deprecations={"list": ENDING})


def test_each_response_of_the_operation_announces_its_end(ending, call):
    user = UserFactory()
    for response in (
        call(ending, "list", user),
        call(ending, "list", user, query={"nosuch": "1"}),
        call(ending, "list"),
    ):
        since = datetime.fromtimestamp(int(response["Deprecation"].removeprefix("@")), UTC)
        sunset = datetime.fromtimestamp(parse_http_date(response["Sunset"]), UTC)

        assert (since, sunset) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC))
        assert response["Link"] == f'<{GUIDE}>; rel="deprecation"; type="text/html"'


def test_other_operations_do_not(ending, call):
    response = call(ending, "create", UserFactory(), data={"name": "Ann"})

    assert "Deprecation" not in response.headers
    assert "Sunset" not in response.headers


def test_the_document_marks_it(ending, serve):
    ending.serializer_class.__name__ = "CustomerSerializer"
    serve(ending)
    paths = SchemaGenerator().get_schema(public=True)["paths"]
    [operations] = [each for each in paths.values() if "deprecated" in each.get("get", {})]

    assert operations["get"]["deprecated"] is True
    assert (
        f"Deprecated since 2026-11-01. It ends on 2027-05-01. See <{GUIDE}>."
        in operations["get"]["description"]
    )
    assert "deprecated" not in operations["post"]


def test_an_end_before_the_beginning_is_refused():
    with pytest.raises(ImproperlyConfigured, match="sunset 2026-10-01 is before since 2026-11-01"):
        Deprecation(date(2026, 11, 1), sunset=date(2026, 10, 1))


def test_a_name_of_no_action_is_a_failed_check(monkeypatch):
    odd = viewset(Customer, "name", deprecations={"lst": ENDING, "list": ENDING})
    monkeypatch.setattr("core.api.checks.viewsets", lambda: [odd])

    assert [(problem.id, "'lst'" in problem.msg) for problem in check_deprecations()] == [("core.E010", True)]
