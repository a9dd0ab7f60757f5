"""Bodies whose length nobody declared, as a server of the gateway interface hands them on."""

import errno
from io import BytesIO

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory

from core.bodies import LONGEST_IN_MEMORY, Lost, taken, with_length
from core.tests.answers import code
from resources.tests.factories import ResourceFactory

# A connection that an earlier test has left open is looked at when a request begins.
pytestmark = [pytest.mark.urls("core.tests.urls"), pytest.mark.django_db]


def post(body, **environ):
    """(status, body) of a request that came in pieces; None takes a part of its environment away."""
    request = {
        **RequestFactory().post("/test/echo", content_type="application/json").environ,
        "CONTENT_LENGTH": None,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
        **environ,
    }
    statuses = []
    response = with_length(WSGIHandler())(
        {name: value for name, value in request.items() if value is not None},
        lambda status, _headers: statuses.append(int(status[:3])),
    )
    return statuses[0], b"".join(response)


def test_it_is_read_like_any_other():
    assert post(b'{"a": 1}') == (200, b'{"success":true,"data":{"a":1}}')


def test_it_is_read_no_further_than_any_limit_allows(settings):
    settings.MAX_BODY_BYTES = 2 * settings.MAX_JSON_BYTES
    stream = BytesIO(b" " * 10 * settings.MAX_JSON_BYTES)
    status, body = post(b"", **{"wsgi.input": stream})

    assert (status, b"PAYLOAD_TOO_LARGE" in body) == (413, True)
    assert stream.tell() == 2 * settings.MAX_JSON_BYTES + 1


def test_an_empty_one_has_no_fields():
    assert post(b"")[1] == b'{"success":true,"data":{}}'


@pytest.mark.parametrize("environ", [{"wsgi.input_terminated": None}, {"HTTP_TRANSFER_ENCODING": None}])
def test_without_an_end_that_is_marked_nothing_is_waited_for(environ):
    class Open:
        def read(self, *_size):
            raise AssertionError("it would wait for ever")

        readline = read

    assert post(b"", **{"wsgi.input": Open(), **environ})[0] == 200


def test_a_length_that_is_declared_stands():
    assert post(b'{"a": 1} and more', CONTENT_LENGTH="8")[1] == b'{"success":true,"data":{"a":1}}'


@pytest.mark.parametrize(
    ("length", "read", "on_disk"),
    [
        (0, 0, None),
        (LONGEST_IN_MEMORY, LONGEST_IN_MEMORY, None),
        (LONGEST_IN_MEMORY + 1, LONGEST_IN_MEMORY + 1, True),
        (10**12, 0, None),  # of what nobody takes nothing is read
    ],
)
def test_a_body_is_taken_whole_and_a_long_one_onto_the_disk(length, read, on_disk):
    stream = BytesIO(b"x" * (2 * LONGEST_IN_MEMORY))
    environ = {"wsgi.input": stream, "CONTENT_LENGTH": str(length)}
    with taken(environ) as body:
        assert stream.tell() == read
        assert getattr(body, "_rolled", None) is on_disk
        assert environ["wsgi.input"].read() == b"x" * read
    assert environ["CONTENT_LENGTH"] == str(length)


@pytest.mark.parametrize(
    "declared", [{"CONTENT_LENGTH": str(2 * LONGEST_IN_MEMORY)}, {"HTTP_TRANSFER_ENCODING": "chunked"}]
)
def test_whoever_reads_what_found_no_room_is_told(settings, tmp_path, declared):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "gone")
    stream = BytesIO(b"x" * (2 * LONGEST_IN_MEMORY))
    environ = {"wsgi.input": stream, "wsgi.input_terminated": True, **declared}
    with taken(environ):
        assert int(environ["CONTENT_LENGTH"]) > 0
        with pytest.raises(FileNotFoundError):
            environ["wsgi.input"].read(1)


@pytest.mark.urls("config.urls")
def test_an_upload_for_which_there_is_no_room_is_answered(owner):
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"
    lost = {"wsgi.input": Lost(OSError(errno.ENOSPC, "No space left on device"))}
    answer = owner.generic("POST", path, b"x", "multipart/form-data; boundary=b", **lost)

    assert code(answer) == (507, "INSUFFICIENT_STORAGE")
