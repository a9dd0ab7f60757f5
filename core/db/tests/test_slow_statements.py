import pytest
from django.db import connection

from core.db.slow_statements import MAX_LENGTH, fingerprint

pytestmark = pytest.mark.django_db
# Counts for some milliseconds on either database.
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s) SELECT max(i) FROM n"


@pytest.fixture
def slow_lines(settings, caplog):
    """Return a function that runs the statement and returns what is logged of it."""

    def run(milliseconds):
        settings.SLOW_STATEMENT_MS = milliseconds
        with connection.cursor() as cursor:
            cursor.execute(SLOW + " -- " + "x" * 1000, [30_000])
            assert cursor.fetchone()[0] == 30_000
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        return [line for line in lines if line["event"] == "slow_statement"]

    with caplog.at_level("WARNING", logger="core.db.slow_statements"):
        yield run


def test_a_slow_statement_is_logged_without_its_values(slow_lines):
    [line] = slow_lines(1)

    assert line["duration"] >= 1
    assert line["statement"].startswith(SLOW)
    assert len(line["statement"]) == MAX_LENGTH
    assert len(line["fingerprint"]) == 12
    assert "30000" not in str(line)


@pytest.mark.parametrize("milliseconds", [0, 60_000])
def test_others_are_not(slow_lines, milliseconds):
    assert slow_lines(milliseconds) == []


def test_values_do_not_change_the_fingerprint():
    one, many = "SELECT 1 WHERE id IN (%s)", "SELECT 1 WHERE id IN (%s, %s, %s)"

    assert fingerprint(one) == fingerprint(many) != fingerprint("SELECT 2 WHERE id IN (%s)")
