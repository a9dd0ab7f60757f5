"""Requests for imports, and their results."""

from django.core.files.uploadedfile import SimpleUploadedFile

from core.tests.job_results import finished
from resources.models import Resource

URL = "/api/v1/resources/import"
COUNTS = ("created", "updated", "unchanged", "failed")


def upload(caller, body, name="rows.csv", **fields):
    """Request an import; `fields` are the other fields of the form."""
    body = body.encode() if isinstance(body, str) else body
    key = {name: fields.pop(name) for name in ("HTTP_IDEMPOTENCY_KEY",) if name in fields}
    data = {"file": SimpleUploadedFile(name, body), **fields}
    return caller.post(URL, data, format="multipart", **key)


def imported(caller, body, name="rows.csv", **fields):
    """Import the file; return the job's result."""
    job = finished(caller, upload(caller, body, name, **fields))
    assert (job["status"], job["error"]) == ("succeeded", None), job
    return job["result"]


def counts(result):
    return tuple(result[name] for name in COUNTS)


def wrong(result):
    """Return [(row, field, code), …]."""
    return [(error["row"], error["field"], error["code"]) for error in result["errors"]]


def titles():
    return sorted(Resource.objects.values_list("title", flat=True))
