"""Asking for imports, and reading what came of them."""

from django.core.files.uploadedfile import SimpleUploadedFile

from core.tests.job_results import finished
from resources.models import Resource

URL = "/api/v1/resources/import"
COUNTS = ("created", "updated", "unchanged", "failed")


def upload(caller, body, name="rows.csv", **fields):
    """Ask for an import; `fields` stand beside the file."""
    body = body.encode() if isinstance(body, str) else body
    key = {name: fields.pop(name) for name in ("HTTP_IDEMPOTENCY_KEY",) if name in fields}
    data = {"file": SimpleUploadedFile(name, body), **fields}
    return caller.post(URL, data, format="multipart", **key)


def imported(caller, body, name="rows.csv", **fields):
    """The result."""
    job = finished(caller, upload(caller, body, name, **fields))
    assert (job["status"], job["error"]) == ("succeeded", None), job
    return job["result"]


def counts(result):
    return tuple(result[name] for name in COUNTS)


def wrong(result):
    """[(row, field, code), …]"""
    return [(error["row"], error["field"], error["code"]) for error in result["errors"]]


def titles():
    return sorted(Resource.objects.values_list("title", flat=True))
