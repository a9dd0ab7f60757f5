"""Doing what a 202 has promised, as the worker would."""

from core.files import services as files
from core.jobs import services as jobs
from core.jobs.models import Job


def finished(caller, answer):
    """The job as its owner sees it, when it has been done."""
    assert answer.status_code == 202, answer.content
    jobs.run_due()
    return caller.get(answer["Location"]).json()["data"]


def content(job):
    """The bytes of its file."""
    with files.open_file(Job.objects.get(pk=job["id"]).result_file) as file:
        return file.read()
