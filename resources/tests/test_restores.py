"""A database that is restored to an older state and then changed: no earlier version is current again."""

import os
import re
import secrets
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
from django.conf import settings as configured
from django.core.cache import caches
from django.db import connection

from core.db.owner_versions import current_version
from core.tests.answers import code
from core.tests.links import use_redis, with_long_timeout
from resources.models import Resource
from resources.tests.factories import ResourceFactory

pytestmark = pytest.mark.django_db(transaction=True)  # the version is replaced with the commit
LIST = "/api/v1/resources"
TABLES = ("owner_versions", "resources_resource")


def execute(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def resource(owner):
    return ResourceFactory(user=owner.user, title="One")


@pytest.fixture
def set_back():
    """Copy the rows now. Return a function that puts the copies back without a trigger, as a restore does."""
    execute(*(f"CREATE TABLE {table}_copy AS SELECT * FROM {table}" for table in TABLES))

    def restore():
        quiet = connection.vendor == "postgresql"
        execute(*(["SET session_replication_role = replica"] if quiet else []))
        versions = "INSERT INTO owner_versions SELECT * FROM owner_versions_copy"
        execute(
            "DELETE FROM resources_resource",
            "INSERT INTO resources_resource SELECT * FROM resources_resource_copy",
        )
        execute("DELETE FROM owner_versions", versions)
        execute(*(["SET session_replication_role = DEFAULT"] if quiet else []))

    yield restore
    execute(*(f"DROP TABLE {table}_copy" for table in TABLES))


def change(caller, resource, title):
    return caller.patch(f"{LIST}/{resource.pk}", {"title": title})


def test_an_etag_from_before_the_restore_is_not_current(owner, resource, set_back):
    url = f"{LIST}/{resource.pk}"
    one, many = change(owner, resource, "Lost")["ETag"], owner.get(LIST)["ETag"]
    version = current_version(owner.user.pk)
    set_back()
    assert owner.get(url).json()["data"]["title"] == "One"
    change(owner, resource, "Other")

    assert owner.get(url, HTTP_IF_NONE_MATCH=one).json()["data"]["title"] == "Other"
    assert code(owner.patch(url, {"title": "x"}, HTTP_IF_MATCH=one)) == (412, "PRECONDITION_FAILED")
    assert owner.get(LIST, HTTP_IF_NONE_MATCH=many).json()["data"][0]["title"] == "Other"
    assert Resource.objects.get().version == 2
    assert current_version(owner.user.pk) != version


@pytest.mark.skipif(not configured.REDIS_URL, reason="of Redis")
def test_a_cached_response_from_before_the_restore_is_not_used(owner, resource, set_back, settings):
    settings.RESPONSE_CACHE_SECONDS = 60
    use_redis(settings, with_long_timeout(settings.REDIS_URL))
    change(owner, resource, "Lost")
    for _ in range(3):
        assert owner.get(LIST).json()["data"][0]["title"] == "Lost"
    set_back()
    assert owner.get(LIST).json()["data"][0]["title"] == "One"
    change(owner, resource, "Other")

    assert owner.get(LIST).json()["data"][0]["title"] == "Other"
    caches["responses"].delete_pattern("*")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
def test_a_database_from_pg_dump_issues_other_versions(owner, resource, tmp_path):
    """The copy has the triggers of the dumped database, and no version of it is issued twice."""
    if not pg_dump_version() >= connection.pg_version // 10000:
        pytest.skip("pg_dump is not installed, or older than the server")
    change(owner, resource, "Two")
    source = connection.settings_dict
    url = urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{source['NAME']}").geturl()
    copy = f"restored_{secrets.token_hex(4)}"
    target = urlsplit(url)._replace(path=f"/{copy}").geturl()
    dump = str(tmp_path / "dump")
    run("pg_dump", "--format=custom", f"--file={dump}", url)
    dumped = current_version(owner.user.pk)
    change(owner, resource, "Lost")
    run("psql", "-qc", f"CREATE DATABASE {copy}", url)  # without the limits of a request
    try:
        run("pg_restore", "--no-owner", f"--dbname={target}", dump)
        read = f"SELECT token FROM owner_versions WHERE user_id = '{owner.user.pk}'"
        write = f"UPDATE resources_resource SET title = 'Other' WHERE id = '{resource.pk}'"
        restored = run("psql", "-qAtc", read, target).strip()
        changed = run("psql", "-qAt", "-c", write, "-c", read, target).strip()
    finally:
        run("psql", "-qc", f"DROP DATABASE {copy} WITH (FORCE)", url)

    assert restored == str(dumped)
    assert changed not in {str(dumped), str(current_version(owner.user.pk))}


def pg_dump_version():
    """Return the major version of the installed pg_dump, 0 without one."""
    program = shutil.which("pg_dump")
    return int(re.search(r"\d+", run(program, "--version"))[0]) if program else 0


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
