"""A backup that is damaged is refused before anything is touched, and its verification fails."""

import json

import pytest

from core.backups.catalogue import Backup
from core.backups.tests.installation import CHANGED, ON_POSTGRESQL
from core.files.storages.disk import DiskStorage

pytestmark = pytest.mark.backups

DUMP = "database.dump" if ON_POSTGRESQL else "database.sqlite3"


@pytest.fixture
def backup(with_backup):
    """Return the folder of the backup."""
    return next(with_backup.backups.iterdir())


def flip(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


def rewrite(path, change):
    """Change the manifest as its checksum allows it: only the field `content`."""
    sealed = json.loads(path.read_text())
    change(sealed["content"])
    path.write_text(json.dumps(sealed))


def one_row_more(manifest):
    manifest["tables"][min(manifest["tables"])]["rows"] += 1


DAMAGES = {
    "dump": (lambda folder: flip(folder / DUMP), "its checksum is another one"),
    "end of the dump": (
        lambda folder: (folder / DUMP).write_bytes((folder / DUMP).read_bytes()[:-9]),
        "damaged",
    ),
    "file": (lambda folder: flip(folder / "files.tar"), "its checksum is another one"),
    "no dump": (lambda folder: (folder / DUMP).unlink(), "cannot be read"),
    "no archive": (lambda folder: (folder / "files.tar").unlink(), "cannot be read"),
    "manifest": (lambda folder: flip(folder / "manifest.json"), "damaged"),
    "number in the manifest": (lambda folder: rewrite(folder / "manifest.json", one_row_more), "another one"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "There is no finished backup"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_changes_nothing(with_backup, backup, damage):
    cause, message = DAMAGES[damage]
    before = with_backup.files()
    cause(backup)

    assert message in with_backup.refused("restore", backup.name, "--noinput", "--pending-mail", "drop")
    assert with_backup.names() == CHANGED
    assert with_backup.files() == before


def test_the_verification_of_a_good_backup_is_stored(with_backup, backup):
    assert "is proven" in with_backup.manage("backup_verify")

    result = json.loads((backup / "verification.json").read_text())["content"]
    assert (result["ok"], result["problem"]) == (True, "")
    assert result["seconds"] > 0
    assert "verified" in with_backup.manage("backup", "--list")
    assert with_backup.names() == CHANGED


@pytest.mark.parametrize("damage", ["dump", "file", "no archive"])
def test_the_verification_of_a_damaged_backup_fails(with_backup, backup, damage):
    cause, message = DAMAGES[damage]
    cause(backup)

    assert message in with_backup.refused("backup_verify", backup.name)
    result = json.loads((backup / "verification.json").read_text())["content"]
    assert (result["ok"], message in result["problem"]) == (False, True)


def another_hash(manifest):
    manifest["files"][0][2] = "0" * 64


def a_later_migration(manifest):
    manifest["migrations"].append("accounts.9999_of_the_future")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (one_row_more, "these tables differ from the manifest"),
        (another_hash, "1 files differ from the manifest"),
        (a_later_migration, "is of a later release"),
        (lambda manifest: manifest.update(format=2), "has the format 2"),
        (lambda manifest: manifest["database"].update(vendor="mysql"), "names another kind of database"),
    ],
)
def test_a_verification_compares_what_it_has_restored(with_backup, backup, change, message):
    """The checksum of the manifest is right here."""
    stored = Backup(DiskStorage(str(with_backup.backups)), backup.name)
    content = stored.manifest()
    change(content)
    stored.save_json("manifest.json", content)

    assert message in with_backup.refused("backup_verify")


def test_a_verification_that_could_not_run_has_failed(with_backup, backup):
    """A temporary folder that is full, or missing."""
    limited = "import os, resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limited += "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000));"
    limited += "os.execv(sys.executable, [sys.executable, 'manage.py', 'backup_verify'])"
    code, _out, err = with_backup.end(with_backup.start("-c", limited))

    assert (code, "is not proven" in err) == (1, True)
    result = json.loads((backup / "verification.json").read_text())["content"]
    assert (result["ok"], "TMPDIR" in result["problem"]) == (False, True)


@pytest.mark.skipif(not ON_POSTGRESQL, reason="of PostgreSQL")
def test_a_restore_that_fails_in_the_database_leaves_it_as_it_was(with_backup, backup, tmp_path):
    """A program in place of `pg_restore` that fails after its first lines."""
    program = tmp_path / "pg_restore"
    program.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec /usr/bin/pg_restore --version\necho 'SELECT 1;'\nexit 3\n"
    )
    program.chmod(0o755)
    path = f"{tmp_path}:{with_backup.environment['PATH']}"

    error = with_backup.refused("restore", backup.name, "--noinput", "--pending-mail", "drop", PATH=path)
    assert "pg_restore failed with 3" in error
    assert with_backup.names() == CHANGED


def resealed(path, change):
    """Change the manifest as somebody does who may write to the place."""
    manifest = json.loads(path.read_text())["content"]
    change(manifest)
    Backup(DiskStorage(str(path.parent.parent)), path.parent.name).save_json("manifest.json", manifest)


def test_a_manifest_does_not_choose_where_the_database_is_written(with_backup, backup, tmp_path):
    target = tmp_path / "written"
    planted = backup / str(target).lstrip("/")
    planted.parent.mkdir(parents=True)
    planted.write_bytes((backup / DUMP).read_bytes())
    resealed(backup / "manifest.json", lambda manifest: manifest["database"].update(name=str(target)))

    assert "names files that no backup has" in with_backup.refused("backup_verify")
    assert not target.exists()


def test_a_manifest_does_not_choose_names_of_files(with_backup, backup):
    resealed(
        backup / "manifest.json", lambda manifest: manifest["files"].append(["public/page.html", 0, "0"])
    )

    assert "names files that no backup has" in with_backup.refused("backup_verify")
