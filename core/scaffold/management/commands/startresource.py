import shutil
import sys
from argparse import RawDescriptionHelpFormatter
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.commands import startapp

from core.scaffold import app_list, record
from core.scaffold.kinds import KINDS
from core.scaffold.names import WrongField, WrongResource
from core.scaffold.programs import manage_with, ruff
from core.scaffold.reading import read_resource
from core.scaffold.resource import Resource
from core.scaffold.writing import put_folder, replaced

TEMPLATE = Path(__file__).resolve().parents[2] / "app_template"
EXAMPLE = """
Fields are `name:type[:options]`:

  manage.py startresource customer name:str:unique email:email
  manage.py startresource invoice number:str:20:unique amount:decimal:12,2 due:date:null \\
      customer:fk:customers.Customer status:choice:draft,sent,paid lines:json --trash --attachments

Options of a field are `null`, `unique` (for each owner), `unique-global`, and of some types one more:
the length of a `str`, digits and decimal places of a `decimal`, the values of a `choice`, the model of an `fk`.
"""


class Command(BaseCommand):
    help = "Write an app with a resource: model, migration, serializer, viewset, routes, admin, factory and tests."
    requires_system_checks: Any = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.epilog, parser.formatter_class = EXAMPLE, RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="of one object, such as invoice or price_list")
        parser.add_argument("fields", nargs="*", metavar="field", help=f"types: {', '.join(KINDS)}")
        parser.add_argument("--plural", default="", help="name of the app and its path, such as invoices")
        for name, text in (
            ("attachments", "files attached to each object"),
            ("export", "POST …/export: the list as CSV or JSON, as a job"),
            ("import", "POST …/import: rows from CSV or JSON, and bulk operations"),
            ("bulk", "POST …/bulk: up to 100 operations, all or none"),
            ("trash", "a trash, from which objects are restored"),
            ("public", "a field isPublic: everybody reads what is public, also without a log-in"),
            ("members", "members, who read and change an object as its owner does"),
        ):
            parser.add_argument(f"--{name}", action="store_true", dest=PLURALS.get(name, name), help=text)
        parser.add_argument(
            "--read-all", metavar="ROLE", default="", help="a role that reads everybody's objects"
        )
        parser.add_argument("--dry-run", action="store_true", help="print the files, and write nothing")

    def handle(self, name: str, fields: list[str], dry_run: bool, **options: Any) -> None:
        chosen = {key: options[key] for key in OPTIONS}
        try:
            resource = read_resource(name, options["plural"], fields, **chosen)
        except (WrongField, WrongResource) as error:
            raise CommandError(str(error)) from error
        if find_spec("ruff") is None:
            raise CommandError("ruff, which formats the files, is not installed: run `make dev-env`.")
        app = resource.plural
        with TemporaryDirectory(prefix="startresource-") as temporary:
            written = Path(temporary) / app
            written.mkdir()
            write_files(resource, written)
            if dry_run:
                self.print_files(written)
                return
            self.install(written, name)
        self.tell(app)
        if resource.discloses:
            self.stdout.write(self.style.WARNING(DISCLOSES.format(", ".join(resource.discloses))))

    def install(self, written: Path, name: str) -> None:
        """Finish the app outside of the project, then put it there, whole, and then its line. Or leave nothing of it.

        A kill between the two leaves an app that `record.cure_of` knows, and a project that starts.
        """
        app = written.name
        try:
            manage_with(written, "makemigrations", app, "--verbosity", "0")
            manage_with(written, "check")
            record.write(written, name, sys.argv[2:])
            text = app_list.with_line(app)
            put_folder(written, record.folder_of(app))
            try:
                with replaced({app_list.path(): text}):
                    pass
            except BaseException:
                if not app_list.has(app):
                    shutil.rmtree(record.folder_of(app), ignore_errors=True)
                raise
        except (OSError, ValueError, CommandError) as error:
            raise CommandError(f"{error}\nNothing was changed.") from error

    def print_files(self, folder: Path) -> None:
        for path in sorted(folder.rglob("*.py")):
            self.stdout.write(self.style.MIGRATE_HEADING(f"--- {path.relative_to(folder.parent)}"))
            self.stdout.write(path.read_text())
        self.stdout.write(
            f"Nothing was written. {folder.name}/migrations/0001_initial.py is made by makemigrations."
        )

    def tell(self, app: str) -> None:
        for path in record.hashes(record.folder_of(app)):
            self.stdout.write(f"  {app}/{path}")
        self.stdout.write(f'  config/local_apps.py: one line, "{app}"')
        self.stdout.write(self.style.SUCCESS(f"Next: manage.py migrate, then make test ARGS={app}"))


DISCLOSES = (
    "{}: unique for each owner, and --members: a 409 discloses to a member of one row that the owner has another row "
    "with a value, also where the member may not read that row."
)
# `import` is a word of Python.
PLURALS = {"import": "imports", "export": "exports"}
OPTIONS = ("attachments", "exports", "imports", "bulk", "trash", "public", "members", "read_all")


def write_files(resource: Resource, folder: Path) -> None:
    """Render the template into the folder, remove what a resource does without, and format the rest."""
    startapp.Command().handle(
        name=resource.plural,
        directory=str(folder),
        template=str(TEMPLATE),
        extensions=["py"],
        files=[],
        verbosity=0,
        resource=resource,
    )
    for path in folder.rglob("*_more.py"):
        if not path.read_text().strip():
            path.unlink()
    ruff("check", "--fix", "--quiet", "--select", "I,F401", str(folder))
    ruff("format", "--quiet", str(folder))
