"""Run the tests of the last release on the tables of the present code (`make test-previous`, under .ci/services.py).

During a deployment both versions serve: the new one has migrated, and the old one goes on. So the tests of the old
code run on databases that the new code made. Without a new migration there is nothing to show. The release is the
commit that added its record (docs/releases), so no tag is needed.

Foreign keys of tables that the old code does not know are dropped: nothing of it fills these tables, and the keys would
only stop the TRUNCATE between its tests.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Never
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from contract import last_release  # noqa: E402

MIGRATIONS = ":(glob)**/migrations/*.py"
# Without the tests that depend on neither the database nor the apps, and those that count calls of functions.
ARGUMENTS = (
    *("-m", "not backups and not once", "--ignore-glob=*/test_budgets.py"),
    *("--reuse-db", "-p", "migrated_already", "--dist", "loadfile", "-q"),
)
PLUGIN = '''"""A pytest plugin: the databases are as the next release has migrated them."""

from django.core.management.commands.migrate import Command

Command.handle = lambda self, *arguments, **options: None
'''
FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE contype = 'f' AND NOT conrelid::regclass::text = ANY(%s)
"""
WORKERS = min(os.cpu_count() or 1, 4)
MINUTES = 12


def git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True).strip()


def commit_of(record: Path) -> str:
    """Return the commit that added the record of a release. Exits with 0 where the history does not reach it."""
    try:
        is_shallow = git("rev-parse", "--is-shallow-repository") == "true"
    except (OSError, subprocess.CalledProcessError):
        leave("PREVIOUS RELEASE NOT TESTED: this is no clone of a repository")
    if is_shallow:
        leave("PREVIOUS RELEASE NOT TESTED: this is a shallow clone; fetch the whole history")
    path = str((record.parent / "release.json").relative_to(ROOT))
    commit = git("log", "-1", "--diff-filter=A", "--format=%H", "--", path)
    return commit or leave(f"PREVIOUS RELEASE NOT TESTED: no commit of this history added {path}")


def leave(message: str) -> Never:
    print(f"test-previous: {message}")
    sys.exit(0)


def unpack(commit: str, folder: Path) -> None:
    archive = subprocess.check_output(["git", "archive", "--format=tar", commit], cwd=ROOT)
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    (folder / "var").mkdir(exist_ok=True)
    (folder / "migrated_already.py").write_text(PLUGIN)


def interpreter(folder: Path) -> Path:
    """Return a Python with the packages of the release: ours, where the locks are the same."""
    lock = "requirements/test.txt"
    if (folder / lock).read_bytes() == (ROOT / lock).read_bytes():
        return Path(sys.executable)
    subprocess.run(
        ["make", "test-env", f"PYTHON={sys.executable}"], cwd=folder, check=True, timeout=MINUTES * 60
    )
    return folder / ".venv" / "bin" / "python"


def url_of(name: str) -> str:
    return urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{name}").geturl()


@contextmanager
def databases(known: list[str]) -> Iterator[str]:
    """Migrate a database by the present code, and yield the name under which each worker finds a copy of it."""
    name = f"previous_{os.getpid()}"
    copies = [f"test_{name}_gw{number}" for number in range(WORKERS)]
    with psycopg.connect(os.environ["TEST_DATABASE_URL"], dbname="postgres", autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            variables = {
                "DATABASE_URL": url_of(name),
                "REDIS_URL": "",
                "CELERY_BROKER_URL": "",
                "DEBUG": "true",
            }
            command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
            subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=True, timeout=300)
            with psycopg.connect(url_of(name), autocommit=True) as database:
                for table, key in database.execute(FOREIGN_KEYS, [known]).fetchall():
                    # `table` is a regclass as text, which PostgreSQL has quoted.
                    drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                        sql.SQL(table), sql.Identifier(key)
                    )
                    database.execute(drop)
            for copy in copies:
                made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                server.execute(made.format(sql.Identifier(copy), sql.Identifier(name)))
            yield name
        finally:
            for each in (name, *copies):
                dropped = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                server.execute(dropped.format(sql.Identifier(each)))


def apps_in(folder: Path) -> list[str]:
    """Return the folders of the release with apps and their tests."""
    return sorted({path.parent.name for path in folder.glob("*/tests")} - {"benchmarks", "config"})


def run(command: list[str], folder: Path, environment: dict[str, str]) -> int:
    """Return the status of a command, which gets SIGINT after MINUTES, with all that it has started."""
    process = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        return process.wait(MINUTES * 60)
    except subprocess.TimeoutExpired:
        print(f"test-previous: too slow: ended after {MINUTES} minutes", flush=True)
        return 1
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def main(arguments: list[str]) -> int:
    document = last_release()
    if document is None:
        leave("there is no release to compare with")
    commit = commit_of(document)
    migrations = git("diff", "--name-only", commit, "--", MIGRATIONS).splitlines()
    if not migrations:
        leave(f"no migration has changed since {document.parent.name}: its code runs on these tables")
    print(
        f"test-previous: the tests of {document.parent.name} ({commit[:9]}), with {len(migrations)} migrations more"
    )
    known = list(json.loads((document.parent / "tables.json").read_text()))
    folder = Path(tempfile.mkdtemp(prefix="previous-"))
    try:
        unpack(commit, folder)
        python = interpreter(folder)
        with databases(known) as name:
            command = [
                str(python),
                "-m",
                "pytest",
                *ARGUMENTS,
                "--numprocesses",
                str(WORKERS),
                *(arguments or apps_in(folder)),
            ]
            return run(command, folder, {**os.environ, "TEST_DATABASE_URL": url_of(name)})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
