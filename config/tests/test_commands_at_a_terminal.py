"""The commands that prompt for a password, as an operator uses them: real processes on a real terminal."""

import os
import pty
import select
import subprocess
import sys
from contextlib import closing

import pytest
from django.conf import settings

from config.tests.processes import SmallProduct

pytestmark = pytest.mark.once

FIRST, SECOND = "Corr3ct-horse-battery", "An0ther-battery-staple"
EMAIL = "root@example.com"


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, product, *arguments):
        self.screen, far_end = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=settings.BASE_DIR,
            env=product.environment,
            stdin=far_end,
            stdout=far_end,
            stderr=far_end,
            start_new_session=True,
        )
        os.close(far_end)
        self.shown = ""

    def close(self):
        os.close(self.screen)
        self.process.wait(timeout=60)

    def wait_for(self, text):
        """Read until it is shown; returns what was shown before it."""
        while text not in self.shown:
            ready, _, _ = select.select([self.screen], [], [], 60)
            assert ready, self.shown
            self.shown += os.read(self.screen, 4096).decode()
        before, _, self.shown = self.shown.partition(text)
        return before

    def enter(self, prompt, text):
        before = self.wait_for(prompt)
        os.write(self.screen, f"{text}\n".encode())
        return before


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    with SmallProduct(tmp_path_factory.mktemp("terminal")) as running:
        yield running


def log_in(product, password):
    return product.api("POST", "/auth/login", {"email": EMAIL, "password": password})


def test_an_admin_is_created_and_given_another_password(product):
    with closing(Terminal(product, "createsuperuser")) as terminal:
        terminal.enter("Email: ", "no address")
        assert "email: " in terminal.enter("Email: ", "Root@Example.com")
        terminal.enter("Name: ", "Root")
        terminal.enter("Password: ", "short")
        terminal.enter("Password (again): ", "short")
        assert "password: " in terminal.enter("Password: ", FIRST)
        terminal.enter("Password (again): ", FIRST)
        shown = terminal.wait_for(EMAIL)
    assert terminal.process.returncode == 0
    assert FIRST not in shown
    token = log_in(product, FIRST).json()["data"]["tokens"]["accessToken"]

    with closing(Terminal(product, "changepassword", EMAIL)) as terminal:
        terminal.enter("Password: ", SECOND)
        terminal.enter("Password (again): ", SECOND)
        terminal.wait_for("logged out everywhere")
    assert terminal.process.returncode == 0

    assert product.api("GET", "/users/me", token=token).json()["error"]["code"] == "TOKEN_REVOKED"
    assert (log_in(product, FIRST).status, log_in(product, SECOND).status) == (401, 200)
    assert product.sink.next_email()["To"] == EMAIL


def test_without_input_the_rules_hold_too(product):
    options = ("createsuperuser", "--noinput", "--email", "second@example.com", "--name", "Second")

    with pytest.raises(AssertionError, match="password: At least 8 characters"):
        product.manage(*options, DJANGO_SUPERUSER_PASSWORD="weak")
    product.manage(*options, DJANGO_SUPERUSER_PASSWORD=FIRST)

    response = product.api("POST", "/auth/login", {"email": "second@example.com", "password": FIRST})
    assert response.json()["data"]["user"]["role"] == "admin"
