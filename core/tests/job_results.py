"""The result of an accepted job (202), run in the test's process."""

from core.files import services as files
from core.jobs import services as jobs
from core.jobs.models import Job


def finished(caller, response):
    """Run the job; return it as its owner sees it then."""
    assert response.status_code == 202, response.content
    jobs.run_due()
    return caller.get(response["Location"]).json()["data"]


def content(job):
    """Return the bytes of its file."""
    with files.open_file(Job.objects.get(pk=job["id"]).result_file) as file:
        return file.read()
