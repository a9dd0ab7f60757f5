"""The connections of the PostgreSQL server for Prometheus, read at each request."""

from collections.abc import Iterator
from typing import Any

from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.web.metrics import database_registry

# Each row: (connections of this database by state, and of all others as `other`; those that the server takes).
STATEMENT = """
SELECT CASE WHEN datname = current_database() THEN coalesce(state, 'unknown') ELSE 'other' END,
    count(*),
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1
"""


class ConnectionCollector(Collector):
    """Connections to the server by their state, next to the number that it takes. Nothing on SQLite."""

    def collect(self) -> Iterator[Any]:
        if connection.vendor != "postgresql":
            return
        with connection.cursor() as cursor:
            cursor.execute(STATEMENT)
            rows = cursor.fetchall()
        states = GaugeMetricFamily(
            "database_connections", "Connections to the PostgreSQL server", labels=["state"]
        )
        for state, number, _most in rows:
            states.add_metric([state], number)
        yield states
        yield GaugeMetricFamily(
            "database_max_connections", "Connections that the server takes of such users", value=rows[0][2]
        )


database_registry.register(ConnectionCollector())
