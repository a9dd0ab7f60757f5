from typing import Any

from celery import current_app, shared_task
from celery.schedules import crontab
from django.utils import timezone

from billing import services


@shared_task
def mark_overdue() -> int:
    return services.mark_overdue(today=timezone.localdate())


@current_app.on_after_finalize.connect
def schedule(sender: Any, **_kwargs: Any) -> None:
    sender.add_periodic_task(crontab(hour=6, minute=30), mark_overdue.s(), name="mark-overdue")
