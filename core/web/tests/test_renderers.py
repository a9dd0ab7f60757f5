from datetime import UTC, datetime

import pytest
from rest_framework.response import Response

from core.web.renderers import EnvelopeRenderer


def rendered(data, **response):
    return EnvelopeRenderer().render(data, renderer_context={"response": Response(data, **response)})


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_has_none(status):
    """Bytes after such a header would be taken for the next answer of the connection (RFC 9110, 6.4.1)."""
    assert rendered(None, status=status) == b""


def test_an_answer_without_data_says_so():
    assert rendered(None, status=202) == b'{"success":true,"data":null}'


def test_what_is_no_json_is_a_defect_and_not_a_guess():
    with pytest.raises(TypeError):
        rendered({"a": object()})


def test_a_number_of_more_than_64_bits_fails_no_list():
    """PostgreSQL returns 1e20 of a JSON column so. Other values are written as in any response."""
    moment = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)

    assert (
        rendered([{"size": 10**20, "at": moment, "name": "Łódź", 1: None}])
        == (
            '{"success":true,"data":[{"size":100000000000000000000,"at":"2026-03-14T09:26:00Z","name":"Łódź","1":null}]}'
        ).encode()
    )


def test_what_is_no_json_next_to_such_a_number_is_a_defect_too():
    with pytest.raises(TypeError):
        rendered({"size": 10**20, "a": object()})
