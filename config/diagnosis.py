"""The checks of this installation in the admin: those of `manage.py doctor`, and a test email."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.management.commands.doctor import check_mail, findings_of
from core.audit import services as audit


def context_for(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the page. A POST runs the checks, with `mail` a test email alone."""
    context: dict[str, Any] = {"title": _("Checks"), "findings": []}
    if request.method != "POST":
        return context
    user: Any = request.user
    if "mail" in request.POST:
        audit.record("mail.tested", actor_id=user.pk)
        return {**context, "findings": [*check_mail(user.email)]}
    audit.record("installation.checked", actor_id=user.pk)
    return {**context, "findings": [*findings_of(lambda: check_mail(None))]}
