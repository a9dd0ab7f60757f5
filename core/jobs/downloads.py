"""Files that a job made: handed out only to a caller for whom the job would still run."""

from django.utils.translation import gettext as _

from core.files.models import StoredFile
from core.files.views import checks_download
from core.jobs.models import Job
from core.jobs.services import may_have_file
from core.web.errors import ApiError


@checks_download
def check_permissions(stored: StoredFile) -> None:
    """Raise ApiError FORBIDDEN if the owner of a job's file has lost the role or the permissions that it ran with."""
    job = Job.objects.filter(result_file=stored.pk).first()
    if job is not None and not may_have_file(job, stored.user):
        raise ApiError("FORBIDDEN", message=_("This file was made under another role than yours is now."))
