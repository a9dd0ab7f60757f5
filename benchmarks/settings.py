"""Ours as its operators run it: the variables of production, with every feature on."""

import secrets
from urllib.parse import urlsplit

import psycopg

RATE = "9999999/min"  # the limit is counted on each request, and never reached
HOST = "127.0.0.1"


def ours(database_url: str, redis_url: str) -> dict[str, str]:
    """Return every variable by name, so that neither the shell nor a .env file changes what is measured."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "JWT_SIGNING_KEY": "",
        "ALLOWED_HOSTS": HOST,
        "SECURE_SSL_REDIRECT": "false",  # wrk speaks plain HTTP, as a proxy on the same machine would
        "TRUSTED_PROXIES": "0",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": redis_url,
        "EMAIL_HOST": "",
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "ACCESS_TOKEN_MINUTES": "600",  # a run is longer than the usual fifteen
        "BCRYPT_ROUNDS": "10",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
        **{f"THROTTLE_{who}": RATE for who in ("USER", "ANON", "AUTH")},
    }


def database_url(server_url: str, name: str) -> str:
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


def administer(server_url: str, *statements: str) -> None:
    """Run a statement outside of any transaction, through the database that always exists."""
    with psycopg.connect(database_url(server_url, "postgres"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def create_database(server_url: str, name: str, template: str = "template1") -> str:
    """Create a database, empty or a copy, and drop the one of an earlier run."""
    drop_database(server_url, name)
    administer(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return database_url(server_url, name)


def drop_database(server_url: str, name: str) -> None:
    administer(server_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
