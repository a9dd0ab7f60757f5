"""What core itself holds about a person, for the export."""

from typing import Any

from core.db.models import OwnerVersion
from core.db.owner_versions import current_version
from core.db.privacy import exports
from core.files.models import StoredFile
from core.jobs.models import Job


@exports("jobs", Job)
def jobs(user: Any) -> Any:
    """Errors of staff's own concern are not about the person."""
    return [
        {
            "id": job.pk,
            "kind": job.kind,
            "status": job.status,
            "parameters": job.parameters,
            "result": job.result,
            "createdAt": job.created_at,
            "finishedAt": job.finished_at,
        }
        for job in user.jobs.order_by("id")
    ]


@exports("files", StoredFile)
def files(user: Any) -> Any:
    """What they have uploaded, and what was made for them; the bytes are behind the addresses in the API."""
    return [
        {
            "id": stored.pk,
            "filename": stored.filename,
            "contentType": stored.content_type,
            "size": stored.size,
            "createdAt": stored.created_at,
        }
        for stored in StoredFile.objects.filter(user=user).order_by("id")
    ]


@exports("changes", OwnerVersion)
def changes(user: Any) -> Any:
    """Return the version of all that they own."""
    return {"version": current_version(user.pk)}
