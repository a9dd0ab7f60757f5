"""A lost connection to the broker that cannot be closed, as kombu's channels of Redis cannot at times."""

from types import SimpleNamespace

from kombu import Connection

from config.celery import app
from config.programs import LastingConsumer


class Broken(Connection):
    """Connection that kombu has cleared, as in `'NoneType' object has no attribute 'hostname'`."""

    def close(self):
        raise AttributeError("hostname")


def test_the_consumer_goes_on_without_it():
    consumer = LastingConsumer(
        lambda _request: None, app=app, hostname="tests", controller=SimpleNamespace(use_eventloop=False)
    )
    consumer.connection = Broken("memory://")
    consumer.on_connection_error_after_connected(ConnectionError("lost"))

    assert consumer.connection is None
