from argparse import ArgumentParser
from datetime import timedelta
from socket import gethostname
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from core.outbox.heartbeats import LATE, ages
from core.outbox.models import Heartbeat


class Command(BaseCommand):
    help = "Check that the worker or beat of this host works. Exits with 1 if not: a health check of its container."
    requires_system_checks: Any = ()  # a health check runs often

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("program", choices=Heartbeat.Program.values)
        parser.add_argument("--within", type=float, default=LATE.total_seconds(), metavar="SECONDS")

    def handle(self, *, program: str, within: float, **_options: Any) -> None:
        host = gethostname()
        try:
            age = ages(host).get(program)
        except DatabaseError as error:
            raise CommandError(f"The database does not respond: {error}") from error
        if age is None:
            raise CommandError(f"No {program} has run on {host}.")
        if age > timedelta(seconds=within):
            raise CommandError(f"The {program} on {host} has been silent for {age.total_seconds():.0f} s.")
        self.stdout.write(f"{program} on {host}: {age.total_seconds():.0f} s ago")
