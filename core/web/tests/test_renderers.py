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
