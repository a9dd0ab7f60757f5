"""Make resources by `manage.py startresource` in a copy, try them, and remove them (`make test-scaffold`).

One resource has each type of field, with `null` and `unique` where there is such a thing, and each option. The copy
must pass the checks, the tests of its new apps and sweeps of the project on SQLite and on the PostgreSQL of
TEST_DATABASE_URL, and a short fuzz. After `manage.py removeresource` nothing may differ from the beginning. Then the
app of docs/adopting.md is made in another copy (adopting.py).
"""

import os
import sys
import tempfile
from pathlib import Path

from adopt import PARALLEL, ROOT, copy_repository, empty_database, git, run_tests, step
from adopting import try_page

CUSTOMER = ("customer", "name:str:unique", "email:email")
INVOICE = (
    "invoice",
    *("number:str:20:unique", "code:str:unique-global", "short:str:2", "nickname:str:null:unique"),
    *("notes:text", "remark:text:null", "count:int", "rank:int:null:unique"),
    *("amount:decimal:10,2", "rate:decimal:null:unique", "paid:bool", "maybe:bool:null"),
    *("due:date", "start:date:null:unique", "sent_at:datetime", "seen_at:datetime:null:unique"),
    *("token:uuid", "other_token:uuid:null:unique", "lines:json", "details:json:null"),
    *("status:choice:draft,sent,in-progress", "mood:choice:good,bad:null"),
    *("email:email:unique", "copy_to:email:null", "link:url", "back_link:url:null:unique"),
    *("customer:fk:customers.Customer", "payer:fk:customers.Customer:null"),
    *("helper:fk:accounts.User:null", "label:fk:resources.Tag:unique"),
    *("--attachments", "--export", "--import", "--trash", "--read-all", "staff"),
)
LIST = (
    "wish_list",
    *("title:str:80", "occasion:date:null", "favourite:fk:invoices.Invoice:null"),
    *("--members", "--public", "--bulk", "--attachments"),
)
RESOURCES = (CUSTOMER, INVOICE, LIST)
APPS = ("customers", "invoices", "wish_lists")
# They go through every route, model and file.
SWEEPS = [
    f"config/tests/test_{name}.py"
    for name in ("access", "conventions", "hostile_bodies", "refusals", "tests")
]


def try_on(database: str, folder: Path, variables: dict[str, str], test_url: str) -> None:
    step(f"{database}: migrate", folder, variables, "manage.py", "migrate", "--verbosity", "0")
    run_tests(database, folder, test_url, *APPS, *SWEEPS, *(() if test_url else PARALLEL))


def remove_all(folder: Path, variables: dict[str, str]) -> None:
    for name, *_fields in reversed(RESOURCES):
        step(f"removeresource {name}", folder, variables, "manage.py", "removeresource", name)
    if left := git(folder, "status", "--porcelain"):
        sys.exit(f"scaffold: removeresource left\n{left}")


def main() -> int:
    server = os.environ.get("TEST_DATABASE_URL") or sys.exit("scaffold: run it by `make test-scaffold`")
    with tempfile.TemporaryDirectory(prefix="scaffold-") as name, empty_database(server) as url:
        folder = Path(name)
        copy_repository(folder)
        embedded = {"REDIS_URL": "", "CELERY_BROKER_URL": "", "DEBUG": "true"}
        sqlite = {**embedded, "DATABASE_URL": f"sqlite:///{folder}/var/scaffold.sqlite3"}
        step("migrate", folder, sqlite, "manage.py", "migrate", "--verbosity", "0")
        for arguments in RESOURCES:
            step(f"startresource {arguments[0]}", folder, sqlite, "manage.py", "startresource", *arguments)
        step("ruff check", folder, {}, "-m", "ruff", "check", ".")
        step("ruff format", folder, {}, "-m", "ruff", "format", "--check", ".")
        step("mypy", folder, sqlite, "-m", "mypy")
        step("words", folder, {}, ".ci/words.py", "--product", "--list")
        step("check", folder, sqlite, "manage.py", "check", "--fail-level", "WARNING")
        step("makemigrations", folder, sqlite, "manage.py", "makemigrations", "--check", "--dry-run")
        step("spectacular", folder, sqlite, "manage.py", "spectacular", "--validate", "--fail-on-warn")
        try_on("SQLite", folder, sqlite, "")
        try_on("PostgreSQL", folder, {**embedded, "DATABASE_URL": url}, url)
        (folder / ".venv-tools").symlink_to(ROOT / ".venv-tools")
        paths = "/(customers|invoices|wish-lists|wish-list-members)"
        # Without the coverage of each field of each bulk operation, which would take ten minutes.
        chosen = ("--phases", "examples,fuzzing", "--max-examples", "10", "--include-path-regex", paths)
        fuzz = ("--only", "user", "--workers", "1", *chosen)
        step("fuzz", folder, sqlite, ".ci/fuzz.py", *fuzz)
        (folder / ".venv-tools").unlink()
        remove_all(folder, sqlite)
    try_page()
    return 0


if __name__ == "__main__":
    sys.exit(main())
