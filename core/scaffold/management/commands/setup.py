import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from core.scaffold import licence, product, record
from core.scaffold import setup_options as checks
from core.scaffold.project_files import EXAMPLE, changes, has_example, refuse_changed
from core.scaffold.removal import refuse_used, remove, rows_of
from core.scaffold.setup_options import Chosen
from core.scaffold.writing import replaced
from core.web.prompts import prompt_for, utf8

# Variables that have precedence over what the command writes.
VARIABLES = {"PRODUCT_NAME": "name", "DEFAULT_FROM_EMAIL": "sender"}


class Command(BaseCommand):
    help = (
        "Make the project your product: its name, the sender of its emails, its licence, and whether it keeps the "
        "example app. It prompts for each option that is not given. It may run again, also with other values."
    )
    requires_system_checks: Any = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--name", help="of the product: in pages, emails, the admin, the OpenAPI document"
        )
        parser.add_argument("--sender", help="the address that emails come from")
        parser.add_argument(
            "--licence",
            choices=licence.KINDS,
            help="keep: LICENSE as it is; mit: MIT under your name as well; proprietary: all rights reserved",
        )
        parser.add_argument("--holder", help="who has the copyright, with --licence mit or proprietary")
        example = parser.add_mutually_exclusive_group()
        for name, is_removed in (("--remove-example", True), ("--keep-example", False)):
            example.add_argument(
                name,
                action="store_const",
                const=is_removed,
                dest="removes_example",
                help=f"{name[2:].partition('-')[0]} the example app, {EXAMPLE}/",
            )
        parser.add_argument(
            "--with-rows", action="store_true", help="remove the example also if its tables have rows"
        )
        parser.add_argument(
            "--with-changes", action="store_true", help="also if the files have changes that are in no commit"
        )
        parser.add_argument("--dry-run", action="store_true", help="print the changes, and write nothing")
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="do not prompt: an option that is not given changes nothing",
        )

    def handle(self, *, with_rows: bool, with_changes: bool, dry_run: bool, **options: Any) -> None:
        try:
            chosen = self.choose(product.read(), **options)
            removes_example = chosen.removes_example and has_example()
            if chosen.removes_example and not removes_example and record.read(EXAMPLE) is None:
                refuse_interrupted()
            texts = changes(chosen, removes_example=removes_example)
        except (OSError, ValueError) as error:
            raise CommandError(f"{error}. Nothing was changed.") from error
        if not texts:
            self.stdout.write("Nothing to change.")
            return
        if not with_changes:
            refuse_changed([*texts, *([record.folder_of(EXAMPLE)] if removes_example else [])])
        if removes_example:
            rows = rows_of_example()
            if rows and not with_rows and not (options["interactive"] and self.confirms(rows)):
                raise CommandError(f"--remove-example: its tables have rows ({rows}). Use --with-rows.")
        if dry_run:
            self.print_changes(texts, removes_example=removes_example)
            return
        write(texts, removes_example=removes_example)
        self.report(texts, chosen, removes_example=removes_example)

    def choose(self, old: product.Product, *, interactive: bool, **options: Any) -> Chosen:
        """Return the values of the options, else of prompts, else those that the project has. Raises CommandError."""

        def value(option: str, question: str, present: str, check: Callable[[str], str]) -> str:
            given = options[option]
            if given is not None:
                return check(utf8(f"--{option}", given))
            if not interactive:
                return present
            default = f" [{present}]" if present else ""
            return prompt_for(
                self, f"{question}{default}: ", lambda text: check(text) if text or not present else present
            )

        name = value("name", "Name of the product", old.name, checks.checked_name)
        sender = value("sender", "Address that emails come from", old.sender, checks.checked_sender)
        kind = value("licence", "Licence (keep, mit or proprietary)", licence.KEEP, checks.checked_licence)
        if kind == licence.KEEP and options["holder"] is not None:
            raise CommandError("--holder: only with --licence mit or --licence proprietary.")
        holder = ""
        if kind != licence.KEEP:
            holder = value("holder", "Holder of the copyright", "", checks.checked_holder)
            if not holder:
                raise CommandError(f"--holder: --licence {kind} needs it.")
        removes = options["removes_example"]
        if removes is None and interactive and has_example():
            question = f"Remove the example app, {EXAMPLE}/ (yes or no) [no]: "
            removes = prompt_for(self, question, lambda text: checks.checked_yes(text or "no")) == "yes"
        return Chosen(name, sender, kind, holder, bool(removes))

    def confirms(self, rows: str) -> bool:
        question = f"The tables of the example have rows ({rows}). Delete them (yes or no) [no]: "
        return prompt_for(self, question, lambda text: checks.checked_yes(text or "no")) == "yes"

    def print_changes(self, texts: Mapping[Path, str], *, removes_example: bool) -> None:
        for path, text in texts.items():
            name = str(path.relative_to(settings.BASE_DIR))
            old, new = path.read_text().splitlines(), text.splitlines()
            self.stdout.write("\n".join(difflib.unified_diff(old, new, name, name, n=0, lineterm="")))
        if removes_example:
            self.stdout.write(f"{EXAMPLE}/ and its tables would be removed.")
        self.stdout.write("Nothing was written.")

    def report(self, texts: Mapping[Path, str], chosen: Chosen, *, removes_example: bool) -> None:
        for path in texts:
            self.stdout.write(f"  {path.relative_to(settings.BASE_DIR)}")
        if removes_example:
            self.stdout.write(f"  {EXAMPLE}/ was removed. In other databases its tables are still there.")
        for variable, attribute in VARIABLES.items():
            if os.environ.get(variable) and os.environ[variable] != getattr(chosen, attribute):
                self.stdout.write(
                    f"{variable} of the environment or of .env is used in place of the {attribute}."
                )
        self.stdout.write(self.style.SUCCESS("Next: make test && make check, then commit."))


def refuse_interrupted() -> None:
    if cure := record.cure_of(EXAMPLE):
        raise CommandError(f"--remove-example: {cure}")


def rows_of_example() -> str:
    """Return the tables of the example that have rows. Raises CommandError where an app needs the example, or the
    database is not reachable.
    """
    config = apps.get_app_config(EXAMPLE)
    try:
        refuse_used(config)
        return ", ".join(f"{table} {count}" for table, count in rows_of(config))
    except CommandError as error:
        raise CommandError(f"--remove-example: {error}") from error
    except DatabaseError as error:
        raise CommandError(
            f"--remove-example: its tables are not reachable: {error}\nNothing was changed."
        ) from error


def write(texts: Mapping[Path, str], *, removes_example: bool) -> None:
    """Write the files and remove the example, or leave all as it was."""
    if removes_example:
        remove(apps.get_app_config(EXAMPLE), texts)
        return
    try:
        with replaced(texts):
            pass
    except OSError as error:
        raise CommandError(f"{error}\nNothing was changed.") from error
