"""Making a backup: one at a time, encrypted, complete or not at all."""

import os
import shutil
import subprocess

import boto3
import pytest

from core.backups.tests.installation import ON_POSTGRESQL, python_command
from core.tests.storages import KEY

pytestmark = pytest.mark.backups


def test_a_second_backup_at_the_same_time_is_refused(installation, barrier):
    first = installation.start("manage.py", "backup", BACKUP_ENCRYPT=barrier.encrypt)
    barrier.wait()

    assert "Another backup is being made" in installation.refused("backup")
    barrier.let_all_through()
    assert installation.end(first)[0] == 0
    assert len(list(installation.backups.iterdir())) == 1


def test_a_backup_is_restored_on_another_machine(with_files, other):
    name = with_files.backup("--verify")
    other.restore(name)

    assert other.names() == with_files.names()
    assert other.files() == with_files.files()
    assert len(other.files()) == 3


def test_a_manifest_describes_the_backup(with_files):
    manifest = with_files.manifest(with_files.backup())

    table = "public.accounts_user" if ON_POSTGRESQL else "accounts_user"
    assert manifest["tables"][table]["rows"] == 3
    assert {"accounts.0001_initial", "core_files.0002_deletionhold"} <= set(manifest["migrations"])
    assert manifest["database"]["vendor"] == ("postgresql" if ON_POSTGRESQL else "sqlite")
    assert [size for _name, size, _hash in manifest["files"]] == [500_009] * 3
    assert len(manifest["commit"] or "0" * 40) == 40
    assert {"version", "contract", "madeAt", "seconds"} <= set(manifest)


def test_a_file_that_was_lost_before_is_named_and_the_others_are_in_the_backup(with_files):
    next(with_files.media.glob("??/*")).unlink()
    code, out, err = with_files.run("backup")

    assert (code, len(with_files.manifest(out.partition(":")[0])["files"])) == (0, 2)
    assert "Without 1 files that the storage has lost" in err


@pytest.fixture
def keyring(tmp_path):
    """Return commands that encrypt and decrypt with a key of the test, by gpg where it is installed."""
    if shutil.which("gpg") is None:
        script = tmp_path / "invert.py"
        script.write_text(
            "import sys; sys.stdout.buffer.write(bytes(b ^ 255 for b in sys.stdin.buffer.read()))"
        )
        yield python_command(script), python_command(script)
        return
    home = tmp_path / "keys"
    home.mkdir(mode=0o700)
    gpg = ["gpg", "--homedir", str(home), "--batch"]
    make = [*gpg, "--passphrase", "", "--quick-gen-key", "tests", "default", "default", "never"]
    subprocess.run(make, check=True, capture_output=True)
    yield " ".join([*gpg, "--trust-model always -r tests -e"]), " ".join([*gpg, "-d"])
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def test_an_encrypted_backup_needs_the_key(with_files, other, keyring):
    encrypt, decrypt = keyring
    name = with_files.backup(BACKUP_ENCRYPT=encrypt)
    stored = b"".join(path.read_bytes() for path in (with_files.backups / name).iterdir())

    assert b"content 1" not in stored
    assert b"PGDMP" not in stored
    assert b"SQLite format 3" not in stored
    assert "Set BACKUP_DECRYPT" in with_files.refused("backup_verify")
    assert "is proven" in with_files.manage("backup_verify", BACKUP_DECRYPT=decrypt)
    other.restore(name, BACKUP_DECRYPT=decrypt)
    assert other.files() == with_files.files()
    assert other.names() == with_files.names()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"BACKUP_ENCRYPT": "no-such-program -e"}, "no-such-program cannot be started"),
        (
            {"BACKUP_ENCRYPT": "sh -c 'echo no key >&2; exit 7'"},
            "sh failed with 7: no key Check BACKUP_ENCRYPT",
        ),
        ({"BACKUP_ENCRYPT": "true"}, "did not read to the end. Check BACKUP_ENCRYPT"),
        (
            {"BACKUP_ENCRYPT": "sleep 60", "BACKUP_TIMEOUT_MINUTES": "0.01"},
            "killed after BACKUP_TIMEOUT_MINUTES",
        ),
        ({"DATABASE_URL": "postgres://app:app@127.0.0.1:1/app"}, "The database fails"),
        ({"MEDIA_ROOT": "/dev/null/media"}, "Check MEDIA_ROOT or S3_BUCKET"),
        ({"BACKUP_FOLDER": ""}, "Set BACKUP_FOLDER or BACKUP_S3_BUCKET"),
        ({"BACKUP_FOLDER": "/proc/nowhere"}, "BACKUP_FOLDER"),
        pytest.param(
            {"PATH": "/nowhere"},
            "pg_dump is missing. Install postgresql-client-",
            marks=pytest.mark.skipif(not ON_POSTGRESQL, reason="of PostgreSQL"),
        ),
        pytest.param(
            {"DATABASE_PREPARED_STATEMENTS": "false"},
            "direct connection to PostgreSQL",
            marks=pytest.mark.skipif(not ON_POSTGRESQL, reason="of PostgreSQL"),
        ),
    ],
)
def test_a_backup_that_fails_names_the_variable_and_leaves_nothing(with_files, variables, message):
    code, _out, err = with_files.run("backup", **variables)

    assert code == 1
    assert message in err
    assert not list(with_files.backups.glob("*"))


def test_a_full_disk_is_named_and_leaves_nothing(with_files):
    limited = "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000));"
    limited += "os.execv(sys.executable, [sys.executable, 'manage.py', 'backup'])"
    code, _out, err = with_files.end(with_files.start("-c", limited))

    assert code == 1
    assert "free space" in err
    assert not list(with_files.backups.glob("*"))


@pytest.mark.skipif(not ON_POSTGRESQL, reason="of PostgreSQL")
def test_a_program_that_is_older_than_the_server_is_refused(installation, tmp_path):
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24 (Debian)'\n")
    program.chmod(0o755)

    error = installation.refused("backup", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "pg_dump 9 cannot read a server of version" in error


def test_a_bucket_keeps_backups_too(with_files, other, s3_server):
    client = boto3.client("s3", endpoint_url=s3_server, region_name="us-east-1", **KEY)
    client.create_bucket(Bucket=with_files.name.replace("_", "-"))
    place = {
        "BACKUP_FOLDER": "",
        "BACKUP_S3_BUCKET": with_files.name.replace("_", "-"),
        "BACKUP_S3_ENDPOINT_URL": s3_server,
        "BACKUP_S3_ACCESS_KEY_ID": KEY["aws_access_key_id"],
        "BACKUP_S3_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
    }
    client.close()
    name = with_files.backup("--verify", **place)
    assert f"{name}  verified" in with_files.manage("backup", "--list", **place)

    other.restore(name, **place)
    assert other.names() == with_files.names()
    assert other.files() == with_files.files()


NIGHT = """
from celery import current_app
from django.conf import settings
task = current_app.tasks[settings.CELERY_BEAT_SCHEDULE["backup"]["task"]]
result = [task.apply(throw=True).get() for _ in range(2)]
"""


def test_the_nightly_task_makes_one_backup_and_proves_it(with_files):
    name, repeated = with_files.execute(NIGHT, BACKUP_AT="03:15")

    assert repeated is None
    assert f"{name}  verified" in with_files.manage("backup", "--list")


def test_a_backup_of_the_future_does_not_prevent_the_nightly_one(with_files):
    name = with_files.backup()
    (with_files.backups / name).rename(with_files.backups / "29990101T000000Z")

    assert with_files.execute(NIGHT, BACKUP_AT="03:15")[0]
