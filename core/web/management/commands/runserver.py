"""The development server: Django's, with static files by WhiteNoise and a greeting with the URLs to open."""

from typing import Any

from django.conf import settings
from django.contrib.staticfiles.management.commands.runserver import Command as RunServer
from django.core.management.base import CommandParser

from core.web.demo import DEMO_ADMIN, DEMO_PASSWORD, DEMO_USER

GREETING = """
{product} is running (CONTROL-C stops it).

  {url}/             what this is
  {url}/api/docs     try the API in the browser
  {url}/admin/       the admin
  {url}/health/ready

  Demo logins, password {password}:  {user} (user)  {admin} (admin)
  Emails appear in this terminal.

Paste this to log in and read the account:

  curl -s {url}/api/v1/users/me -H "Authorization: Bearer $(curl -s {url}/api/v1/auth/login -H 'Content-Type: \
application/json' -d '{{"email": "{user}", "password": "{password}"}}' | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')"
"""


class Command(RunServer):
    help = RunServer.help
    addr: str

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(use_static_handler=False)

    def on_bind(self, server_port: int) -> None:
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        values: dict[str, Any] = {
            "product": settings.PRODUCT_NAME,
            "user": DEMO_USER,
            "admin": DEMO_ADMIN,
            "password": DEMO_PASSWORD,
        }
        self.stdout.write(GREETING.format(url=f"http://{host}:{server_port}", **values))
        self.stdout.flush()  # also into a pipe, where Python holds text back
