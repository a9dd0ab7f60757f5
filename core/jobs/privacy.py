"""Personal data in the tables of core, for the export and for `anonymize`."""

from typing import Any

from django.db.models import F

from core.api.models import StoredResponse
from core.audit.models import AuditEvent
from core.db.anonymization import empties, preserves
from core.db.models import Change, OwnerVersion
from core.db.owner_versions import current_version
from core.db.privacy import exports
from core.files.models import StoredFile
from core.jobs.models import Job
from core.jobs.services import result_for
from core.outbox.models import Heartbeat, OutboxMessage, ScheduledTask

empties(AuditEvent, Change, Heartbeat, Job, OutboxMessage, StoredResponse)
preserves(ScheduledTask)
preserves(StoredFile, "content_type")


@exports("jobs", Job)
def jobs(user: Any) -> Any:
    """Return the jobs, without the errors for staff, which are not about the person."""
    return [
        {
            "id": job.pk,
            "kind": job.kind,
            "status": job.status,
            "parameters": job.parameters,
            "result": result_for(job, user) if job.has_summary else job.result,
            "createdAt": job.created_at,
            "finishedAt": job.finished_at,
        }
        for job in user.jobs.order_by("id")
    ]


@exports("files", StoredFile)
def files(user: Any) -> Any:
    """Return the files that the person has uploaded or a job has made. The bytes are at their URLs in the API."""
    renamed = {"contentType": F("content_type"), "createdAt": F("created_at")}
    return list(user.stored_files.order_by("id").values("id", "filename", "size", **renamed))


@exports("changes", OwnerVersion, Change)
def changes(user: Any) -> Any:
    """Return the version of all rows of the person. A `Change` has only the id of one of them, and times."""
    return {"version": current_version(user.pk)}
