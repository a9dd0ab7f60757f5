from argparse import ArgumentParser
from typing import Any, NamedTuple

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.crypto import get_random_string

KEY_LENGTH = 64
LETTERS = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # none that a shell or .env reads
)
STEPS = ("1", "2", "3", "leaked")


class Variables(NamedTuple):
    """Names of the variables: its key signs, the others only verify."""

    signs: str
    verifies: str


SECRET = Variables("SECRET_KEY", "SECRET_KEY_FALLBACKS")
JWT = Variables("JWT_SIGNING_KEY", "JWT_VERIFYING_KEYS")


class Command(BaseCommand):
    help = (
        "Print the variables of the next step in the replacement of SECRET_KEY, or of JWT_SIGNING_KEY, with which no "
        "request is refused (docs/operations.md, Keys). It changes nothing: set them, and restart every process."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "step",
            choices=STEPS,
            help="1: accept a new key; 2: sign with it; 3, after REFRESH_TOKEN_DAYS: drop the old key; "
            "leaked: a new key alone, and everybody logs in again",
        )
        parser.add_argument("--jwt", action="store_true", help="of JWT_SIGNING_KEY, which signs tokens alone")

    def handle(self, *, step: str, jwt: bool, **_options: Any) -> None:
        if jwt and settings.JWT_SIGNING_KEY == settings.SECRET_KEY:
            raise CommandError(
                "--jwt: JWT_SIGNING_KEY is not set, so tokens follow SECRET_KEY. Leave --jwt away."
            )
        names = JWT if jwt else SECRET
        key: str = getattr(settings, names.signs)
        others: list[str] = getattr(settings, names.verifies)
        signs, verifies = variables_of(step, key, others, names)
        self.stdout.write(f"{names.signs}={signs}")
        self.stdout.write(f"{names.verifies}={verifies}")
        self.stderr.write(AFTERWARDS[step], style_func=str)  # advice, not in the red of errors


AFTERWARDS = {
    "1": "Restart every web server, worker and beat with these. Then run `manage.py rotate_keys 2`.",
    "2": "Restart everything with these. After REFRESH_TOKEN_DAYS run `manage.py reencrypt`, then `rotate_keys 3`.",
    "3": "Restart everything with these. The old key is worth nothing then.",
    "leaked": "Restart everything with these at once. Every client and member of staff has to log in again.",
}


def variables_of(step: str, key: str, others: list[str], names: Variables) -> tuple[str, str]:
    """Return the values of the variables after this step. Raises CommandError if it cannot be the next one."""
    if step == "leaked":
        return new_key(), ""
    if step == "1":
        if others:
            raise CommandError(
                f"{names.verifies} is set: a replacement has begun, so its next step is 2 or 3."
            )
        return key, new_key()
    if len(others) != 1:
        raise CommandError(f"{names.verifies} must hold one key for this step, but holds {len(others)}.")
    return (others[0], key) if step == "2" else (key, "")


def new_key() -> str:
    """Return a key of 64 letters, digits, `-` and `_`: 384 random bits."""
    return get_random_string(KEY_LENGTH, LETTERS)
