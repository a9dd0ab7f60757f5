"""Bodies as the server reads them from the network; core/web/tests/test_server.py has them in a real process."""

import asyncio
import errno

import pytest

from core.tests.answers import code
from core.web import bodies
from core.web.bodies import MAX_IN_MEMORY, UnstoredBody, read_body
from resources.tests.factories import ResourceFactory


async def in_parts(*parts):
    for part in parts:
        yield part


def read(*parts, declared=None):
    async def all_of_it():
        body, length = await read_body(in_parts(*parts), declared)
        with body:
            return body.read(), length

    return asyncio.run(all_of_it())


@pytest.mark.parametrize("size", [0, 1, MAX_IN_MEMORY, MAX_IN_MEMORY + 1, 3 * MAX_IN_MEMORY])
@pytest.mark.parametrize("is_declared", [True, False])
def test_a_body_is_read_whole(size, is_declared):
    parts = [b"x" * (size // 2), b"x" * (size - size // 2)]

    assert read(*parts, declared=size if is_declared else None) == (b"x" * size, size)


def test_a_body_with_a_declared_length_over_the_limit_is_not_read(settings):
    async def endless():
        raise AssertionError("it is read")
        yield b""

    body, length = asyncio.run(read_body(endless(), settings.MAX_BODY_BYTES + 1))

    assert (body.read(), length) == (b"", settings.MAX_BODY_BYTES + 1)


def test_a_chunked_body_is_read_up_to_the_limit_only(settings):
    settings.MAX_BODY_BYTES = 100
    sent = []

    async def endless():
        while True:
            sent.append(b"x" * 60)
            yield sent[-1]

    body, length = asyncio.run(read_body(endless(), None))
    body.close()

    assert (length, len(sent)) == (120, 2)


def test_a_body_that_stops_is_a_timeout(monkeypatch):
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.01)

    async def stopped():
        yield b"x"
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(read_body(stopped(), 10))


def test_a_body_that_cannot_be_stored_on_disk_fails_when_it_is_read(settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path / "gone")
    body, length = asyncio.run(read_body(in_parts(b"x" * (MAX_IN_MEMORY + 1)), None))

    assert length == MAX_IN_MEMORY + 1
    with pytest.raises(FileNotFoundError):
        body.read(1)


@pytest.mark.django_db
def test_an_upload_without_disk_space_is_a_507(owner):
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"
    lost = {"wsgi.input": UnstoredBody(OSError(errno.ENOSPC, "No space left on device"))}
    response = owner.generic("POST", path, b"x", "multipart/form-data; boundary=b", **lost)

    assert code(response) == (507, "INSUFFICIENT_STORAGE")
