"""Multipart bodies of uploads, valid and hostile."""

import pytest

from core.files.names import clean_name
from core.tests.answers import code, problems
from core.tests.cost import cpu_seconds
from core.tests.normalisation import HOSTILE
from resources.models import Attachment
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db

BOUNDARY = "frontier"


@pytest.fixture
def send(disk, owner):
    """Return a function that sends a body written by hand."""
    path = f"/api/v1/resources/{ResourceFactory(user=owner.user).pk}/attachments"

    def post(body, content_type=f"multipart/form-data; boundary={BOUNDARY}", length=None, **headers):
        declared = {} if length is None else {"CONTENT_LENGTH": length}
        return owner.generic("POST", path, body, content_type=content_type, headers=headers, **declared)

    return post


def part(content, name="file", filename='filename="a.txt"', extra=b""):
    disposition = f'Content-Disposition: form-data; name="{name}"; {filename}'.rstrip("; ").encode()
    return b"--" + BOUNDARY.encode() + b"\r\n" + disposition + b"\r\n" + extra + b"\r\n" + content + b"\r\n"


END = b"--" + BOUNDARY.encode() + b"--\r\n"


def test_the_file_may_be_as_large_as_the_limit_and_no_larger(send, settings):
    settings.MAX_UPLOAD_BYTES = 200_000

    assert send(part(b"a" * 200_000) + END).status_code == 201
    refusal = send(part(b"a" * 200_001) + END)
    assert code(refusal) == (413, "PAYLOAD_TOO_LARGE")
    assert "200000 bytes" in refusal.json()["error"]["message"]


def test_a_declared_length_over_the_limit_is_not_read(send, settings):
    settings.MAX_BODY_BYTES = 100

    assert code(send(part(b"a" * 200) + END)) == (413, "PAYLOAD_TOO_LARGE")


def test_a_body_without_a_length_is_not_read(send):
    assert problems(send(part(b"a" * 200) + END, length="")) == {"file": "required"}


def test_a_body_is_read_no_further_than_its_length(disk, send):
    body = part(b"a" * 200) + END

    assert code(send(body, length=str(len(body) - 100))) == (400, "MALFORMED_REQUEST")
    assert disk.names() == []


@pytest.mark.parametrize("cut", [1, 9, 12, 30])
def test_a_body_that_breaks_off_stores_nothing(disk, send, cut):
    whole = part(b"a text of some length") + END

    assert send(whole[:-cut] if cut > 1 else whole[:-4]).status_code == 400
    assert (disk.names(), Attachment.objects.count()) == ([], 0)


@pytest.mark.parametrize(
    "content_type",
    ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=a b "],
)
def test_a_body_without_a_boundary_is_refused(send, content_type):
    assert code(send(part(b"a") + END, content_type)) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json", "application/x-www-form-urlencoded"]
)
def test_other_media_types_are_refused(send, content_type):
    assert code(send(b"{}", content_type)) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_compressed_body_is_refused(send):
    response = send(part(b"a") + END, **{"Content-Encoding": "gzip"})

    assert code(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (END, {"file": "required"}),
        (b"", {"file": "required"}),
        (part(b"a", name="other"), {"other": "unexpected_file"}),
        (part(b"a") + part(b"b"), {"file": "one_file"}),
        (part(b"a", filename=""), {"file": "required"}),
        (part(b"a", filename='filename=""'), {"file": "required"}),
        (part(b""), {"file": "empty"}),
    ],
)
def test_exactly_one_file_of_this_name_is_required(send, body, problem):
    assert problems(send(body + END)) == problem


def test_other_fields_are_dropped(send):
    assert send(part(b"1", name="userId", filename="") + part(b"a") + END).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b"".join(part(b"x", name=f"f{n}", filename="") for n in range(10_000)),
        b"".join(part(b"x", name=f"f{n}") for n in range(10_000)),
        b"".join(part(b"x") for n in range(10_000)),
        part(b"x", extra=b"X-Long: " + b"a" * 1_000_000 + b"\r\n"),
        part(b"!" * 100, extra=b"Content-Transfer-Encoding: base64\r\n"),
    ],
)
def test_hostile_bodies_are_refused_in_less_than_a_second(disk, send, body):
    with cpu_seconds(1):
        response = send(body + END)

    assert response.status_code in {400, 413}
    assert disk.names() == []


def test_base_64_full_of_spaces_is_only_bytes(send):
    response = send(part(b" " * 500_000 + b"YQ==", extra=b"Content-Transfer-Encoding: base64\r\n") + END)

    assert response.json()["data"]["size"] == 1


@pytest.mark.parametrize("sent", ["../../x", "..\\\\x", "/etc/x", "x", "%2e%2e/x", "x" * 300])
def test_the_name_does_not_decide_the_path_of_a_file(disk, send, sent):
    response = send(part(b"a", filename=f'filename="{sent}"') + END)

    assert response.json()["data"]["filename"].strip("x") == ""
    assert [path.name for path in disk.folder.parent.iterdir()] == ["media"]
    assert {path.parent.parent for path in disk.folder.rglob("*") if path.is_file()} == {disk.folder}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_name_that_is_slow_to_normalise_loses_its_marks(send, normalised, text):
    name = f"{text[:200]}.txt"
    response = send(part(b"Hello", filename=f'filename="{name}"') + END)

    assert response.json()["data"]["filename"] == "a.txt"
    assert clean_name(f"{text}.txt") == "a.txt"
    assert normalised == []
