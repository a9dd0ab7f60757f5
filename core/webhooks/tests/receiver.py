"""An endpoint on loopback that receives webhooks."""

from contextlib import contextmanager

from standardwebhooks import Webhook as Verifier

from core.tests.raw_service import raw_service, replies, reply

OK = reply("204 No Content")


def headers_of(request):
    head, _, body = request.partition(b"\r\n\r\n")
    lines = (line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value for name, value in lines}, body


def verified(request, secret):
    """Return the body of a request, verified by the library of the specification."""
    headers, body = headers_of(request)
    return Verifier(secret).verify(body, headers)


@contextmanager
def receiver(*responses, **options):
    """Serve these responses one after the other, and the last one from then on: 204 by default."""
    with raw_service(replies(*(responses or (OK,))), **options) as service:
        service.url = f"http://{service.address}:{service.port}/hooks"
        yield service
