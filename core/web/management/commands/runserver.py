"""The development server: Django's, with static files by WhiteNoise and a greeting with the URLs to open."""

import os
import socket
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands.runserver import Command as RunServer
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from core.web.demo import DEMO_ADMIN, DEMO_PASSWORD, DEMO_USER

GREETING = """
{product} is running (CONTROL-C stops it).

  {url}/             what this is
  {url}/api/docs     try the API in the browser
  {url}/admin/       the admin
  {url}{emails}     the emails that were sent, and a sample of each
  {url}/dev/requests  the requests, each with its SQL
  {url}/health/ready

  Demo logins, password {password}:  {user} (user)  {admin} (admin)
  Emails appear in this terminal too.

Paste this to log in and read the account:

  curl -s {url}/api/v1/users/me -H "Authorization: Bearer $(curl -s {url}/api/v1/auth/login -H 'Content-Type: \
application/json' -d '{{"email": "{user}", "password": "{password}"}}' | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')"
"""


class Command(RunServer):
    help = RunServer.help
    addr: str
    port: str
    use_ipv6: bool

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--prepare",
            action="store_true",
            help="migrate, and load the demo data into an empty database, first",
        )
        parser.set_defaults(use_static_handler=False)

    def run(self, **options: Any) -> None:
        """Prepare the database in the process that watches the files, so that no change of a file migrates it."""
        if options["prepare"] and DJANGO_AUTORELOAD_ENV not in os.environ:
            self.require_port()
            call_command("migrate", verbosity=0, stdout=self.stdout)
            call_command("seed", stdout=self.stdout)
            self.stdout.flush()
        super().run(**options)

    def require_port(self) -> None:
        """Raise CommandError if another program has the port, before work that takes seconds."""
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        try:
            socket.create_server((self.addr, int(self.port)), family=family).close()
        except OSError as error:
            raise CommandError(
                f"The port {self.port} cannot be used: {error.strerror}. Choose another: make run PORT=8001"
            ) from error

    def on_bind(self, server_port: int) -> None:
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        values: dict[str, Any] = {
            "product": settings.PRODUCT_NAME,
            "emails": "/dev/mails",
            "user": DEMO_USER,
            "admin": DEMO_ADMIN,
            "password": DEMO_PASSWORD,
        }
        self.stdout.write(GREETING.format(url=f"http://{host}:{server_port}", **values))
        self.stdout.flush()  # also into a pipe, where Python holds text back
