"""A variable may name a file that holds its value, as secrets of containers are handed over."""

import os

import pytest

from core.tests.interpreter import python
from core.web.environment import MAX_FILE_BYTES, Environment

pytestmark = pytest.mark.once

KEY = "k3yB1fP0zQ7vX9mT2sW8rD4gH6jL5nC1aE0uI3oY7bV9xZ2qM4wS8"


def start(code="import config.settings", **environment):
    """Start in the shape of production. Every variable that the settings read is empty unless it is given."""
    given = {"DEBUG": "false", "SECRET_KEY": "", "ALLOWED_HOSTS": "api.example.com", **environment}
    done = python(code, **given)
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "value"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_value_is_that_of_the_file_without_its_newline(file, end):
    done = start(
        "from config import settings; print(ascii(settings.SECRET_KEY))",
        SECRET_KEY_FILE=str(file(KEY.encode() + end)),
    )

    assert (done.stdout, done.stderr) == (f"{KEY!r}\n", "")


def test_a_number_and_a_url_are_parsed_as_ever(tmp_path):
    (tmp_path / "port").write_text("9001\n")
    (tmp_path / "url").write_text("postgres://ann:hunter2@db/app\n")
    code = "from config import settings as s; print(s.PORT, s.DATABASES['default']['PASSWORD'])"
    done = start(
        code,
        SECRET_KEY=KEY,
        PORT_FILE=str(tmp_path / "port"),
        DATABASE_URL="",
        DATABASE_URL_FILE=str(tmp_path / "url"),
    )

    assert (done.stdout, done.stderr) == ("9001 hunter2\n", "")


def test_a_relative_path_begins_at_the_folder_of_the_settings(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("here\n")
    monkeypatch.setenv("SOME_TOKEN_FILE", "token")

    assert Environment(tmp_path).str("SOME_TOKEN") == "here"


def test_an_empty_name_of_a_file_is_not_set(monkeypatch):
    monkeypatch.setenv("SOME_NUMBER_FILE", "")
    env = Environment()

    assert env.int("SOME_NUMBER", 3) == 3
    env.stop_if_wrong()


def test_both_are_refused_even_if_one_is_the_default(file, monkeypatch):
    monkeypatch.setenv("SOME_RATE", "7/min")
    monkeypatch.setenv("SOME_RATE_FILE", str(file(b"8/min")))
    env = Environment()
    env.rate("SOME_RATE", "7/min")

    with pytest.raises(SystemExit, match="SOME_RATE_FILE is set, and so is SOME_RATE: leave one of them out"):
        env.stop_if_wrong()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "names a file that is empty"),
        (b"\n", "names a file that is empty"),
        (b"\xff\xfe", "names a file that is not UTF-8"),
        (b"a\0b", "names a file that holds a NUL byte"),
        (b"x" * (MAX_FILE_BYTES + 1), "names a file of more than 64 KiB"),
        # A character that the limit divides.
        (b"x" * MAX_FILE_BYTES + "é".encode(), "names a file of more than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_a_value_stops_the_start_in_one_line(file, content, reason):
    done = start(SECRET_KEY_FILE=str(file(content)))
    wrong = [line.strip() for line in done.stderr.splitlines() if line.startswith("  ")]

    assert done.returncode == 1
    assert len(wrong) == 1
    assert wrong[0].startswith(f"SECRET_KEY_FILE {reason}")


def test_files_that_cannot_be_opened_are_named_among_all_the_other_mistakes(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # reading it would never end
    done = start(
        SECRET_KEY_FILE=str(tmp_path / "missing"),
        DATABASE_URL="",
        DATABASE_URL_FILE=str(tmp_path),
        METRICS_TOKEN_FILE=str(tmp_path / "pipe"),
        EMAIL_HOST_PASSWORD_FILE="x" * 5000,
        TRUSTED_PROXIES="-1",
    )
    named = [line.split()[0] for line in done.stderr.splitlines() if line.startswith("  ")]

    assert named == [
        "DATABASE_URL_FILE",
        "EMAIL_HOST_PASSWORD_FILE",
        "METRICS_TOKEN_FILE",
        "SECRET_KEY_FILE",
        "TRUSTED_PROXIES",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_named(file):
    path = file(KEY.encode())
    path.chmod(0)

    assert (
        f"SECRET_KEY_FILE names a file that cannot be read: {path}" in start(SECRET_KEY_FILE=str(path)).stderr
    )


def test_no_value_is_in_the_message(file):
    done = start(SECRET_KEY=KEY, SECRET_KEY_FILE=str(file(b"hunter2" * 20)), LOG_LEVEL="LOUD")

    assert "SECRET_KEY_FILE" in done.stderr
    assert "hunter2" not in done.stderr
    assert KEY not in done.stderr
