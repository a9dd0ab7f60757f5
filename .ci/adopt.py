"""Adopt this project for a product of another name, and run the result (`make test-adoption`, under .ci/services.py).

A copy of the working tree, with a migrated database, gets a name, a sender and a licence and loses the example app by
`manage.py setup`. It gets a role and the apps of `adoption` by the steps of docs/adopting.md: `billing` has rows of one
owner, `crew` rows of members and access by hand. Then the programs of the copy run on SQLite and on the PostgreSQL of
TEST_DATABASE_URL. Fails where a step fails, or needs a change of `core`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
APPS = ROOT / ".ci" / "adoption"
NAME = "Acme Billing"
OPTIONS = (
    "--name",
    NAME,
    "--sender",
    "billing@acme.example",
    "--licence",
    "proprietary",
    "--holder",
    "Acme Inc.",
)
SETUP = ("manage.py", "setup", "--noinput", *OPTIONS, "--remove-example")
# Where `setup` may write, next to the folder of the example.
OF_SETUP = {"config/product.py", "config/local_apps.py", "README.md", "LICENSE"}
STEP_SECONDS = 480
# On SQLite the whole suite of the copy; on PostgreSQL the apps' own tests, the project's conventions and the access
# matrix, which walk through every app.
PARALLEL = ("--numprocesses", "logical", "--maxprocesses", "8", "--dist", "loadfile")
TESTS = ("billing", "crew", "config/tests/test_conventions.py", "config/tests/test_access.py")
# What follows from no declaration: an own action, and access by hand.
MATRIX = """
POST    /api/v1/invoices/{id}/pay                    401      404   200   404   200   401
GET     /api/v1/memos                                401      200   200   200   200   401
GET     /api/v1/memos/{id}                           401      404   200   404   404   401
PATCH   /api/v1/memos/{id}                           401      404   200   404   404   401
"""

TABLES = "from django.db import connection; print(connection.introspection.table_names())"

Contents = dict[str, bytes]


def copy_tree(folder: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "var").mkdir(exist_ok=True)


def contents(folder: Path) -> Contents:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def changed(before: Contents, after: Contents) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"adopt: {path.name} has {old!r} {text.count(old)} times, not once")
    path.write_text(text.replace(old, new))


def set_up(folder: Path, variables: dict[str, str]) -> None:
    """Run `manage.py setup` on a database with rows of the example. Exits where a second run would change anything."""
    had_example = (folder / "resources").is_dir()
    step("migrate with the example", folder, variables, "manage.py", "migrate", "--verbosity", "0")
    step("seed with the example", folder, variables, "manage.py", "seed")
    before = contents(folder)
    if had_example:
        refused(folder, variables, *SETUP)
        if left := changed(before, contents(folder)):
            sys.exit(f"adopt: setup was refused, and changed {sorted(left)}")
    step("setup", folder, variables, *SETUP, "--with-rows")
    after = contents(folder)
    of_setup = {name for name in changed(before, after) if name.split("/")[0] not in {"resources", "var"}}
    if not of_setup <= OF_SETUP:
        sys.exit(f"adopt: setup wrote {sorted(of_setup - OF_SETUP)}")
    if "Nothing to change." not in step("setup again", folder, variables, *SETUP) or changed(
        after, contents(folder)
    ):
        sys.exit("adopt: a second setup with the same options changed something")
    tables = step("tables", folder, variables, "manage.py", "shell", "--no-imports", "--command", TABLES)
    if "accounts_user" not in tables or "resources_" in tables:
        sys.exit("adopt: the example left tables in the database")


def add_apps(folder: Path) -> None:
    edit(
        folder / "accounts" / "models.py",
        '    STAFF = "staff"\n',
        '    STAFF = "staff"\n    SUPPORT = "support"\n',
    )
    shutil.copytree(APPS, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    edit(
        folder / "config" / "local_apps.py",
        "LOCAL_APPS: list[str] = [\n",
        'LOCAL_APPS: list[str] = [\n    "billing",\n    "crew",\n',
    )
    with (folder / "config" / "tests" / "access_matrix.txt").open("a") as matrix:
        matrix.write(MATRIX)


def adopt(folder: Path, variables: dict[str, str]) -> None:
    """Change the copy. Exits where a change reaches further than docs/adopting.md allows."""
    original = contents(folder)
    (folder / ".env").write_text("DEBUG=true\n")
    set_up(folder, variables)
    add_apps(folder)
    ours = {
        name
        for name in changed(original, contents(folder))
        if name.split("/")[0] not in {"billing", "crew", "resources", "var"}
    }
    print(f"changed besides the apps: {', '.join(sorted(ours))}", flush=True)


def run(folder: Path, variables: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program of the copy, under these variables alone."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**inherited, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )


def copy_repository(folder: Path) -> None:
    """Copy the tree into a Git repository with one commit, so that each change in it shows."""
    copy_tree(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The project as it is")


def git(folder: Path, *arguments: str) -> str:
    """Run git in the copy, and return its output. An author is set: the machine may have none."""
    command = ["git", "-c", "user.name=CI", "-c", "user.email=ci@localhost", *arguments]
    done = subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True, timeout=STEP_SECONDS
    )
    return done.stdout.strip()


def step(title: str, folder: Path, variables: dict[str, str], *command: str) -> str:
    """Run a program of the copy, and return its output. Exits with it if the program fails or takes too long."""
    started = time.monotonic()
    try:
        done = run(folder, variables, *command)
    except subprocess.TimeoutExpired as error:
        sys.exit(f"{output_of(error)}\nadopt: {title}: not done after {STEP_SECONDS} seconds")
    if done.returncode:
        sys.exit(f"{done.stdout}\nadopt: {title} failed")
    last = done.stdout.strip().rpartition("\n")[2] if command[:2] == ("-m", "pytest") else "ok"
    print(f"{title}: {last} ({time.monotonic() - started:.0f} s)", flush=True)
    return done.stdout


def refused(folder: Path, variables: dict[str, str], *command: str) -> None:
    """Run `setup`, which must refuse to remove rows."""
    done = run(folder, variables, *command)
    if done.returncode == 0 or "--remove-example: its tables have rows" not in done.stdout:
        sys.exit(f"{done.stdout}\nadopt: setup did not refuse to remove rows")


def output_of(error: subprocess.TimeoutExpired) -> str:
    """Return what was printed until then: bytes, in spite of `text`."""
    return error.stdout.decode(errors="replace") if isinstance(error.stdout, bytes) else ""


def check_schema(document: str) -> None:
    served = re.search(r"^  /api/v1/(resources|tags)\b", document, re.MULTILINE)
    if f"title: {NAME}" not in document or "Groundwork" in document or served:
        sys.exit("adopt: the OpenAPI document has the old name or the example")


def run_on(database: str, folder: Path, database_url: str, test_url: str) -> None:
    variables = {"DATABASE_URL": database_url, "REDIS_URL": "", "CELERY_BROKER_URL": ""}
    manage = "manage.py"
    step(f"{database}: migrate", folder, variables, manage, "migrate", "--verbosity", "0")
    step(
        f"{database}: makemigrations --check",
        folder,
        variables,
        manage,
        "makemigrations",
        "--check",
        "--dry-run",
    )
    step(f"{database}: seed", folder, {**variables, "DEBUG": "true"}, manage, "seed")
    step(f"{database}: check", folder, variables, manage, "check", "--fail-level", "WARNING")
    document = step(
        f"{database}: spectacular", folder, variables, manage, "spectacular", "--validate", "--fail-on-warn"
    )
    check_schema(document)
    run_tests(database, folder, test_url, *(TESTS if test_url else PARALLEL))


def run_tests(database: str, folder: Path, test_url: str, *arguments: str) -> None:
    """Run tests of the copy: on SQLite, or on the PostgreSQL of the URL with the Redis of TEST_REDIS_URL."""
    redis_url = os.environ.get("TEST_REDIS_URL", "") if test_url else ""
    tests = {"TEST_DATABASE_URL": test_url, "TEST_REDIS_URL": redis_url}
    plain = ("-m", "not backups and not once", "--quiet", "--create-db", "-p", "no:cacheprovider")
    step(f"{database}: tests", folder, tests, "-m", "pytest", *plain, *arguments)


@contextmanager
def empty_database(url: str) -> Iterator[str]:
    """Yield the URL of a database of our own on this server, which is dropped afterwards."""
    name = f"adoption_{os.getpid()}"
    with psycopg.connect(url, dbname="postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def main() -> int:
    server = os.environ.get("TEST_DATABASE_URL") or sys.exit("adopt: run it by `make test-adoption`")
    with tempfile.TemporaryDirectory(prefix="adoption-") as name:
        folder = Path(name)
        copy_tree(folder)
        core = contents(folder / "core")
        sqlite = f"sqlite:///{folder}/var/adoption.sqlite3"
        adopt(folder, {"DATABASE_URL": sqlite, "REDIS_URL": "", "CELERY_BROKER_URL": ""})
        step("makemigrations", folder, {"DATABASE_URL": sqlite}, "manage.py", "makemigrations")
        step("ruff", folder, {}, "-m", "ruff", "check", ".")
        step("ruff format", folder, {}, "-m", "ruff", "format", "--check", "config")
        step("mypy", folder, {"DATABASE_URL": sqlite}, "-m", "mypy")
        step("imports", folder, {}, ".ci/imports.py")
        git(folder, "init", "--quiet")  # words.py lists the files by it
        step("words", folder, {}, ".ci/words.py", "--product", "--list")
        run_on("SQLite", folder, sqlite, "")
        with empty_database(server) as url:
            run_on("PostgreSQL", folder, url, url)
        if touched := changed(core, contents(folder / "core")):
            sys.exit(f"adopt: core was changed: {sorted(touched)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
