"""Make the app of docs/adopting.md in a copy, from the blocks of the page, and try it. Part of `make test-scaffold`."""

import re
import shlex
import sys
import tempfile
from pathlib import Path

from adopt import ROOT, copy_tree, edit, run_tests, step

COMMAND = re.compile(r"^\.venv/bin/python manage\.py (startresource (?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
BLOCK = re.compile(r"^```(?:python)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# (invoices/\w+\.py)[^\n]*\n")
TEMPLATE = re.compile(r"the file `(invoices/[^`]+)`[^\n]*\n\n```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
END_OF_VIEW = "\n\nclass InvoiceAttachmentViewSet("
TESTS = """from datetime import date

import pytest

from invoices import services, tasks
from invoices.tests.factories import InvoiceFactory

pytestmark = pytest.mark.django_db


def test_pay(owner, deliver):
    row = InvoiceFactory(user=owner.user)

    assert owner.post(f"/api/v1/invoices/{row.pk}/pay").json()["data"]["status"] == "paid"
    assert owner.post(f"/api/v1/invoices/{row.pk}/pay").status_code == 409
    assert [sent.subject for sent in deliver()] == [f"Invoice {row.number} is paid"]


def test_overdue(owner):
    InvoiceFactory(user=owner.user, status="sent", due=date(2020, 1, 1))

    assert tasks.mark_overdue() == 1
    assert services.mark_overdue(today=date(2021, 1, 1)) == 0
"""


def write_blocks(folder: Path, page: str) -> None:
    """Write the files of the page. Of views.py the imports are its beginning, and the rest the end of the viewset."""
    matrix = folder / "config" / "tests" / "access_matrix.txt"
    written = set()
    for text in BLOCK.findall(page):
        if text.startswith("POST "):
            matrix.write_text(matrix.read_text() + text)
            written.add("row")
        if (name := NAMED.match(text)) is None:
            continue
        path, body = folder / name[1], text[name.end() :]
        written.add(name[1])
        if path.exists():
            imports, _, method = body.partition("\n\n\n")
            edit(path, END_OF_VIEW, f"\n{method}{END_OF_VIEW}")
            path.write_text(f"{imports}\n{path.read_text()}")
        else:
            path.write_text(body)
    for name, text in TEMPLATE.findall(page):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        written.add(name)
    if len(written) != 7:
        sys.exit(f"adopting: the page has blocks only for {sorted(written)}")
    (folder / "invoices" / "tests" / "test_page.py").write_text(TESTS)


def try_page() -> None:
    page = (ROOT / "docs" / "adopting.md").read_text()
    with tempfile.TemporaryDirectory(prefix="adopting-") as name:
        folder = Path(name)
        copy_tree(folder)
        embedded = {"REDIS_URL": "", "CELERY_BROKER_URL": "", "DEBUG": "true"}
        variables = {**embedded, "DATABASE_URL": f"sqlite:///{folder}/var/adopting.sqlite3"}
        for command in COMMAND.findall(page):
            arguments = shlex.split(command.replace("\\\n", " "))
            step(" ".join(arguments[:2]), folder, variables, "manage.py", *arguments)
        write_blocks(folder, page)
        step("sort imports", folder, {}, "-m", "ruff", "check", "--fix", "--select", "I", "invoices")
        step("ruff", folder, {}, "-m", "ruff", "check", "invoices")
        step("ruff format", folder, {}, "-m", "ruff", "format", "--check", "invoices")
        step("mypy", folder, variables, "-m", "mypy")
        step("check", folder, variables, "manage.py", "check", "--fail-level", "WARNING")
        step("spectacular", folder, variables, "manage.py", "spectacular", "--validate", "--fail-on-warn")
        of_project = [f"config/tests/test_{name}.py" for name in ("access", "conventions")]
        run_tests("docs/adopting.md", folder, "", "customers", "invoices", *of_project)


if __name__ == "__main__":
    try_page()
