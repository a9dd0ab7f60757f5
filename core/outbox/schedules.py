"""The schedule of an installation without a broker: CELERY_BEAT_SCHEDULE, and what `add_periodic_task` adds to it.

Every web process follows it. A row for each entry holds its last run, and one process claims a run by a conditional
UPDATE. So an entry runs once in each period, whatever the number of processes and of their restarts.
"""

from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from celery.schedules import maybe_schedule

from core.outbox.models import ScheduledTask

log = structlog.get_logger(__name__)

MAX_SLEEP_SECONDS = 5.0

Run = Callable[..., None]


def run_due_entries(app: Celery, run: Run) -> float:
    """Call `run(task, *args, **kwargs)` for each entry that is due. Return the seconds until the next look.

    An entry that fails is logged, and holds up no other.
    """
    app.finalize()  # sends `on_after_finalize`, as a worker does
    last_runs = dict(ScheduledTask.objects.values_list("name", "last_run_at"))
    sleep = MAX_SLEEP_SECONDS
    for name, entry in app.conf.beat_schedule.items():
        try:
            schedule: Any = maybe_schedule(entry["schedule"], entry.get("relative", False), app=app)
            if name not in last_runs:  # as with celery beat, the first period begins now
                row, _created = ScheduledTask.objects.get_or_create(
                    name=name, defaults={"last_run_at": schedule.now()}
                )
                last_runs[name] = row.last_run_at
            is_due, seconds = schedule.is_due(last_runs[name])
            sleep = min(sleep, seconds)
            seen = ScheduledTask.objects.filter(name=name, last_run_at=last_runs[name])
            if is_due and seen.update(last_run_at=schedule.now()):
                run(entry["task"], *(entry.get("args") or ()), **(entry.get("kwargs") or {}))
        except Exception:
            log.exception("scheduled_task_failed", name=name)
    return max(sleep, 0.05)
