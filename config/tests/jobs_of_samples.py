"""Exports and imports of viewsets made for one test, served below /api/v1/sample0."""

import json

from config.tests.sample_models import Invoice
from config.tests.test_odd_viewsets import INVOICE
from core.files import services as files
from core.importexport.exports import ExportViewSet
from core.importexport.views import ImportViewSet
from core.jobs import services as jobs
from core.jobs.models import Job
from core.tests.samples import upload

SAMPLE = "/api/v1/sample0"


def tables(**members):
    given = {"queryset": Invoice.objects.all(), "serializer_class": INVOICE}
    return type("TableViewSet", (ImportViewSet, ExportViewSet), given | members)


def exported(client, url, **body):
    """Return the numbers in the file of an export."""
    assert client.post(f"{url}/export", {"format": "json", **body}, format="json").status_code == 202
    jobs.run_due()
    job = Job.objects.select_related("result_file").latest("created_at")
    assert job.status == "succeeded", job.error
    with files.open_file(job.result_file) as stream:
        return sorted(row["number"] for row in json.load(stream))


def imported(client, url, *rows):
    """Return the job of an import of these rows."""
    return imported_file(client, url, json.dumps(rows).encode(), "rows.json")


def imported_file(client, url, content, name):
    file = upload(content, name=name)
    assert client.post(f"{url}/import", file, format="multipart").status_code == 202
    jobs.run_due()
    job = Job.objects.latest("created_at")
    assert job.status == "succeeded", job.last_error
    return job
