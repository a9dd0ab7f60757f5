"""Adopt this project for a product of another name, and run the result (`make test-adoption`, under .ci/services.py).

A copy of the working tree loses the example app and gets `adoption/billing`, a role and a name, by the steps of the
README alone. Then the programs of the copy run on SQLite and on the PostgreSQL of TEST_DATABASE_URL. Fails where a step
fails, or needs a change of `core`.
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
APP = ROOT / ".ci" / "adoption" / "billing"
NAME = "Acme Billing"
MAX_FILES_OF_NAME = 3
STEP_SECONDS = 400
# On SQLite the whole suite of the copy; on PostgreSQL the app's own tests, the project's conventions and the access
# matrix, which walk through every app.
PARALLEL = ("--numprocesses", "logical", "--maxprocesses", "8", "--dist", "worksteal")
TESTS = ("billing", "config/tests/test_conventions.py", "config/tests/test_access.py")
PAY = "POST    /api/v1/invoices/{id}/pay                    401      404   200   404   200   401\n"

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


def name_product(folder: Path) -> None:
    (folder / ".env").write_text(f"PRODUCT_NAME={NAME}\nDEBUG=true\n")


def remove_example(folder: Path) -> None:
    edit(folder / "config" / "local_apps.py", '    "resources",\n', "")
    shutil.rmtree(folder / "resources")


def add_app(folder: Path) -> None:
    edit(
        folder / "accounts" / "models.py",
        '    STAFF = "staff"\n',
        '    STAFF = "staff"\n    SUPPORT = "support"\n',
    )
    shutil.copytree(APP, folder / "billing", ignore=shutil.ignore_patterns("__pycache__"))
    edit(
        folder / "config" / "local_apps.py",
        "LOCAL_APPS: list[str] = [\n",
        'LOCAL_APPS: list[str] = [\n    "billing",\n',
    )
    with (folder / "config" / "tests" / "access_matrix.txt").open("a") as matrix:
        matrix.write(PAY)


def adopt(folder: Path) -> None:
    """Change the copy. Exits where a change reaches further than the README allows."""
    original = contents(folder)
    name_product(folder)
    of_name = changed(original, contents(folder))
    if len(of_name) > MAX_FILES_OF_NAME:
        sys.exit(f"adopt: the name takes changes of {sorted(of_name)}")
    remove_example(folder)
    add_app(folder)
    ours = {
        name
        for name in changed(original, contents(folder))
        if name.split("/")[0] not in {"billing", "resources"}
    }
    print(f"changed besides the apps: {', '.join(sorted(ours))}", flush=True)


def step(title: str, folder: Path, variables: dict[str, str], *command: str) -> str:
    """Run a program of the copy, and return its output. Exits with it if the program fails or takes too long."""
    started = time.monotonic()
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    try:
        run = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env={**inherited, "PYTHONDONTWRITEBYTECODE": "1", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        sys.exit(f"{output_of(error)}\nadopt: {title}: not done after {STEP_SECONDS} seconds")
    if run.returncode:
        sys.exit(f"{run.stdout}\nadopt: {title} failed")
    last = run.stdout.strip().rpartition("\n")[2] if command[:2] == ("-m", "pytest") else "ok"
    print(f"{title}: {last} ({time.monotonic() - started:.0f} s)", flush=True)
    return run.stdout


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
    step(f"{database}: demo", folder, {**variables, "DEBUG": "true"}, manage, "demo")
    step(f"{database}: check", folder, variables, manage, "check", "--fail-level", "WARNING")
    document = step(
        f"{database}: spectacular", folder, variables, manage, "spectacular", "--validate", "--fail-on-warn"
    )
    check_schema(document)
    redis_url = os.environ.get("TEST_REDIS_URL", "") if test_url else ""
    tests = {"TEST_DATABASE_URL": test_url, "TEST_REDIS_URL": redis_url}
    chosen = TESTS if test_url else PARALLEL
    arguments = ("--quiet", "--create-db", "-p", "no:cacheprovider", *chosen)
    step(f"{database}: tests", folder, tests, "-m", "pytest", *arguments)


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
        adopt(folder)
        sqlite = f"sqlite:///{folder}/var/adoption.sqlite3"
        step("makemigrations", folder, {"DATABASE_URL": sqlite}, "manage.py", "makemigrations")
        step("ruff", folder, {}, "-m", "ruff", "check", ".")
        step("mypy", folder, {"DATABASE_URL": sqlite}, "-m", "mypy")
        run_on("SQLite", folder, sqlite, "")
        with empty_database(server) as url:
            run_on("PostgreSQL", folder, url, url)
        if touched := changed(core, contents(folder / "core")):
            sys.exit(f"adopt: core was changed: {sorted(touched)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
