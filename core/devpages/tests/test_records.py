"""The file of the records: bounded, private, and the same for all processes."""

import sqlite3
import stat
from contextlib import closing

import pytest

from core.devpages import records
from core.tests.interpreter import django_python

pytestmark = pytest.mark.usefixtures("development")


def add(number=0, kind="request", request_id="r"):
    records.add(kind, request_id, {"number": number}, {"text": "long"})


def numbers(**conditions):
    return [record.summary["number"] for record in records.newest("request", **conditions)]


def test_the_newest_record_is_first():
    add(1)
    add(2)

    assert numbers() == [2, 1]


def test_lists_are_without_details():
    add()
    [record] = records.newest("request")

    assert record.details == {}
    assert records.find("request", record.id).details == {"text": "long"}


def test_records_are_chosen_by_request():
    add(1, request_id="one")
    add(2, request_id="two")

    assert numbers(request_id="two") == [2]


def test_the_number_of_each_kind_is_bounded():
    add(kind="email")
    for number in range(records.MAX_RECORDS + 3):
        add(number)

    assert len(records.newest("email")) == 1
    assert numbers() == [*range(records.MAX_RECORDS + 2, 2, -1)]


def test_an_old_record_is_neither_listed_nor_stored():
    add(1)
    [old] = records.newest("request")
    with closing(sqlite3.connect(records.path())) as file, file:
        file.execute("UPDATE record SET created_at = created_at - ?", (records.MAX_SECONDS + 1,))
    assert numbers() == []
    assert records.find("request", old.id) is None

    add(2)
    with closing(sqlite3.connect(records.path())) as file:
        assert file.execute("SELECT count(*) FROM record").fetchone() == (1,)


def test_only_its_owner_may_read_the_file():
    add()

    assert stat.S_IMODE(records.path().stat().st_mode) == 0o600


def test_a_record_of_another_process_is_listed():
    add(1)
    code = "from core.devpages import records; records.add('request', 'r', {'number': 2}, {})"
    other = django_python(code, DATABASE_URL=f"sqlite:///{records.path().with_suffix('')}")
    assert other.returncode == 0, other.stderr

    assert numbers() == [2, 1]
