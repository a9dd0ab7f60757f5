"""The queues of this product for Prometheus, read from their tables at each request: the same in every process."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Count, Min, Q
from django.db.models.functions import Now
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from core.web.metrics import database_registry

FAILED_FOR = timedelta(days=1)  # as long as `manage.py doctor` reports them

# {name: a LeasedModel with a `status`}, filled by the apps of the models.
queues: dict[str, Any] = {}


class QueueCollector(Collector):
    """Rows by status, and the wait of the oldest row that a worker should have claimed."""

    def collect(self) -> Iterator[Any]:
        rows = GaugeMetricFamily(
            "queue_rows", "Unfinished rows, and those that failed within a day", labels=["queue", "status"]
        )
        waiting = GaugeMetricFamily(
            "queue_oldest_due_seconds",
            "Wait of the oldest due row that no worker has claimed",
            labels=["queue"],
        )
        for name, model in queues.items():
            for status, number in counts(model).items():
                rows.add_metric([name, status], number)
            oldest = model.objects.due().aggregate(seconds=Now() - Min("due_at"))["seconds"]
            waiting.add_metric([name], oldest.total_seconds() if oldest else 0)
        yield rows
        yield waiting


def counts(model: Any) -> dict[str, int]:
    failed = Q(status=model.Status.FAILED, finished_at__gt=Now() - FAILED_FOR)
    counted = model.objects.filter(Q(finished_at=None) | failed).order_by()
    return dict(counted.values_list("status").annotate(number=Count("pk")))


database_registry.register(QueueCollector())
