"""The schedule of an installation without a broker: CELERY_BEAT_SCHEDULE, and what `add_periodic_task` adds to it.

Every web process follows it. A row for each entry holds its last run, and one process claims a run by a conditional
UPDATE. So an entry runs once in each period, whatever the number of processes and of their restarts.
"""

from collections.abc import Callable
from typing import Any

import structlog
from celery import Celery
from celery.schedules import maybe_schedule, schedule

from core.outbox.models import ScheduledTask

log = structlog.get_logger(__name__)

MAX_SLEEP_SECONDS = 5.0
MAX_SKEW_SECONDS = 60.0  # between the clocks of two hosts

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
            rule: Any = maybe_schedule(entry["schedule"], entry.get("relative", False), app=app)
            if name not in last_runs:  # as with celery beat, the first period begins now
                row, _created = ScheduledTask.objects.get_or_create(
                    name=name, defaults={"last_run_at": rule.now()}
                )
                last_runs[name] = row.last_run_at
            seen = ScheduledTask.objects.filter(name=name, last_run_at=last_runs[name])
            if was_set_back(rule, last_runs[name]):
                seen.update(last_run_at=rule.now())
                continue
            is_due, seconds = rule.is_due(last_runs[name])
            sleep = min(sleep, seconds)
            if is_due and seen.update(last_run_at=rule.now()):
                run(entry["task"], *(entry.get("args") or ()), **(entry.get("kwargs") or {}))
        except Exception:
            log.exception("scheduled_task_failed", name=name)
    return max(sleep, 0.05)


def was_set_back(rule: Any, last_run_at: Any) -> bool:
    """Return whether the clock was set back so far that this entry would miss runs: its period must begin again.

    A `crontab` of certain hours does not run again for the hours that are repeated, as with cron.
    """
    is_frequent = isinstance(rule, schedule) or len(getattr(rule, "hour", ())) == 24
    ahead = rule.maybe_make_aware(last_run_at) - rule.now()
    return is_frequent and ahead.total_seconds() > MAX_SKEW_SECONDS
