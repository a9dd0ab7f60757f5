import json

import pytest

from core.db.slow_statements import MAX_LENGTH, fingerprint
from core.tests.interpreter import django_python

# Counts for some milliseconds.
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s) SELECT max(i) FROM n"
RUN = f"""
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute({SLOW!r} + " -- " + "x" * 1000, [30_000])
    assert cursor.fetchone()[0] == 30_000
"""


@pytest.fixture
def slow_lines(tmp_path):
    """Return a function that runs the statement and returns what is logged of it."""
    database = f"sqlite:///{tmp_path / 'slow.sqlite3'}"

    def run(milliseconds):
        done = django_python(RUN, DATABASE_URL=database, LOG_LEVEL="INFO", SLOW_STATEMENT_MS=milliseconds)
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        return [line for line in lines if line["message"] == "slow_statement"]

    return run


def test_a_slow_statement_is_logged_without_its_values(slow_lines):
    [line] = slow_lines("1")

    assert line["duration"] >= 1
    assert line["statement"].startswith(SLOW)
    assert len(line["statement"]) == MAX_LENGTH
    assert len(line["fingerprint"]) == 12


@pytest.mark.parametrize("milliseconds", ["0", "60000"])
def test_others_are_not(slow_lines, milliseconds):
    assert slow_lines(milliseconds) == []


def test_values_do_not_change_the_fingerprint():
    one, many = "SELECT 1 WHERE id IN (%s)", "SELECT 1 WHERE id IN (%s, %s, %s)"

    assert fingerprint(one) == fingerprint(many) != fingerprint("SELECT 2 WHERE id IN (%s)")
