import json
import sys
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.releases import reports
from core.releases.checking import state_of
from core.releases.git import Git
from core.releases.manifest import RecordError
from core.releases.merging import Refusal, merge
from core.releases.programs import ProgramError

STATUS = """
Exit status of --check: 0 nothing to do, 1 there is a newer release, or an advisory concerns this copy, 2 it could not
be found out. Of a merge: 0 merged, 1 work is left, which is listed, 2 refused or failed, and nothing was changed.
"""


class Command(BaseCommand):
    help = "Show which release of the project this copy has, or merge a newer one on a branch."
    requires_system_checks: Any = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.epilog, parser.formatter_class = STATUS, RawDescriptionHelpFormatter
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only show it: fetch and change nothing")
        parser.add_argument("--to", default="", metavar="VERSION", help="0.2.0, v0.2.0, upstream/main")
        parser.add_argument("--remote", default=reports.UPSTREAM, help="remote of the project (upstream)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="with --check: print JSON")

    def handle(self, *, check: bool, to: str, remote: str, as_json: bool, **_options: Any) -> None:
        if not check and (as_json or not to):
            raise CommandError("Use --check, with or without --json, or --to VERSION.", returncode=2)
        root = Path(settings.BASE_DIR)
        try:
            status = self.check_copy(root, remote, to, as_json) if check else self.merge(root, remote, to)
        except (RecordError, ProgramError, Refusal) as error:
            raise CommandError(str(error), returncode=2) from error
        if status:
            sys.exit(status)

    def check_copy(self, root: Path, remote: str, to: str, as_json: bool) -> int:
        state = state_of(root, Git(root), remote, to)
        self.stdout.write(json.dumps(state, indent=2) if as_json else reports.of_state(state, remote))
        if state["newer"] or state["advisories"]:
            return 1
        return 0 if state["newest"] else 2

    def merge(self, root: Path, remote: str, to: str) -> int:
        merged = merge(root, Git(root), remote, to)
        if merged is None:
            self.stdout.write(f"This copy has {to} already.")
            return 0
        report = reports.of_merge(merged)
        self.stdout.write(report)
        if merged.is_done:
            return 0
        # `manage.py` may not start while the settings have conflict markers.
        path = root / "var" / f"{merged.branch}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{report}\n")
        self.stdout.write(f"This list is in {path.relative_to(root)} too.")
        return 1
