"""The messages and jobs of sample_work.py, as a test enqueues them and reads what became of them."""

import secrets
from pathlib import Path
from typing import Any

JOB = """
from accounts.models import User
from core.jobs.services import enqueue_job
print(enqueue_job(user=User.objects.get(email="{email}"), kind="test.attempt", parameters={parameters}).pk)
"""
MESSAGE = """
from core.outbox.services import enqueue
print(enqueue("test.attempt", {parameters}).pk)
"""
OUTBOX, JOBS = "core_outbox_outboxmessage", "core_jobs_job"


class Sample:
    """A message of the outbox, or with the address of its owner a job, that waits for some seconds."""

    def __init__(self, stage: Any, seconds: float, *, owner: str = "", **parameters: Any) -> None:
        self.stage, self.table = stage, JOBS if owner else OUTBOX
        self.path = stage.log_path.with_name(f"attempts-{secrets.token_hex(4)}")
        values = {"attempts": str(self.path), "seconds": seconds, **parameters}
        command = JOB.format(email=owner, parameters=values) if owner else MESSAGE.format(parameters=values)
        self.key = stage.manage("shell", "--no-imports", "--command", command).split()[-1]

    @property
    def attempts(self) -> int:
        path = Path(self.path)
        return len(path.read_text().splitlines()) if path.exists() else 0

    def read(self, *columns: str) -> tuple[Any, ...]:
        query = f"SELECT {', '.join(columns)} FROM {self.table} WHERE id = %s"
        with self.stage.connection() as connection:
            return tuple(connection.execute(query, [self.key]).fetchone())

    @property
    def is_finished(self) -> bool:
        return self.read("finished_at")[0] is not None
