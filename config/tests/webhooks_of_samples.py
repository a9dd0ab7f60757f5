"""Bodies that a receiver on loopback gets from a webhook."""

from core.webhooks.delivering import deliver_due
from core.webhooks.tests.receiver import verified


def received(endpoint, webhook):
    """Deliver what is due, and return what the endpoint has got since."""
    seen = len(endpoint.requests)
    deliver_due()
    bodies = [verified(request, webhook.shown_secret) for request in endpoint.requests[seen:]]
    return [(body["type"], body["data"]) for body in bodies]
