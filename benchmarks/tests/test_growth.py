"""`python -m benchmarks.growth` on a small database."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from benchmarks import growth
from benchmarks.seed import Command
from resources.models import Resource

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL: make test-services"),
]


def test_measures_reads_and_writes_and_leaves_no_row(settings, capsys):
    settings.DEBUG = True
    call_command(Command(), "--users=2", "--resources=3", "--heavy=4", stdout=StringIO())

    growth.main(["--times=1"])

    printed = capsys.readouterr().out
    for request in (
        "detail",
        "page 1, with the total",
        "search: a rare word",
        "create with two tags",
        "change",
    ):
        assert f"| a user with 200 | {request} |" in printed
    assert "| everybody (`scope=all`) | page 1, with the total |" in printed
    assert Resource.objects.count() == 10
