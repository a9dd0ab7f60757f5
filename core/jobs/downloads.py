"""Files that a job made: handed out only under the role that the job ran under."""

from django.utils.translation import gettext as _

from core.files.models import StoredFile
from core.files.views import checks_download
from core.jobs.models import Job, user_has
from core.web.errors import ApiError


@checks_download
def check_role(stored: StoredFile) -> None:
    """Raise ApiError FORBIDDEN if a job made the file under a role that its owner has lost since."""
    role = Job.objects.filter(result_file=stored.pk).values_list("role", flat=True).first()
    if role is not None and not user_has(role, stored.user):
        raise ApiError("FORBIDDEN", message=_("This file was made under another role than yours is now."))
