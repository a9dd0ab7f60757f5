"""WSGI applications for the tests of core/web/server.py, which run them in a real server process."""

import json
import os
import socket
import sys
from pathlib import Path

import django

from core.web.server import Server


def echo(environ, start_response):
    """Respond with what the application was given."""
    given = {name: value for name, value in environ.items() if isinstance(value, str)}
    given["body"] = environ["wsgi.input"].read().decode()
    body = json.dumps(given).encode()
    cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *cookies]
    )
    return [body]


def told(environ):
    """Connect to the port of the query, so that the test knows we are here, and return what it sends."""
    with socket.create_connection(("127.0.0.1", int(environ["QUERY_STRING"])), timeout=60) as connection:
        return connection.makefile("rb").read()


def block(environ, start_response):
    body = told(environ)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def stream(environ, start_response):
    """Send a part at once, and the next one when the test allows it."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first "
    yield told(environ)


def written(_environ, start_response):
    write = start_response("201 Created", [("Content-Type", "text/plain")])
    write(b"by write, ")
    return iter((b"by ", b"iterable"))


def file(environ, start_response):
    path = Path(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Length", str(path.stat().st_size))])
    return environ["wsgi.file_wrapper"](path.open("rb"), 8192)


def broken(_environ, _start_response):
    raise ZeroDivisionError


ROUTES = {f"/{route.__name__}": route for route in (echo, block, stream, written, file, broken)}


def routes(environ, start_response):
    return ROUTES.get(environ["PATH_INFO"], echo)(environ, start_response)


django.setup()
application = Server(routes, threads=1)
if os.environ.get("SERVED") == "slots":
    application = Server(routes, threads=2, slots={"/block": 1})
if os.environ.get("SERVED") == "threads":
    application = Server(routes, threads=3)
if os.environ.get("SERVED") == "sentry":
    import sentry_sdk

    sentry_sdk.init("http://key@127.0.0.1:9/1")
if os.environ.get("SERVED") in {"sentry", "wrapped"}:
    from config.wsgi import application as product

    def wrapped(environ, start_response):
        """Wrap the application as PEP 3333 allows it: the result has nothing of Django's response."""
        response = product(environ, start_response)
        try:
            yield from response
        finally:
            response.close()

    application = Server(product if "sentry_sdk" in sys.modules else wrapped, threads=2)
