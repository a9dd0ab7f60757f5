"""The second factor in the admin: each session needs it, and a page adds it."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import segno
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.forms import SecondFactorForm
from accounts.mfa.services import browser_enrolment

# Names in the session.
PROVEN = "second_factor"
DEVICE = "second_factor_device"


def note_log_in(request: HttpRequest) -> None:
    """Write into the session whether its log-in was with a second factor. The form has verified the code of the user
    who has one, as the user was then: one who got it since has to log in again."""
    user: Any = request.user
    request.session[PROVEN] = user.mfa_enabled


def is_proven(request: HttpRequest) -> bool:
    """Return whether the session is as strong as its user is now."""
    user: Any = request.user
    return not user.mfa_enabled or bool(request.session.get(PROVEN))


def after_enrolment(view: Callable[..., Any]) -> Callable[..., Any]:
    """Lead a user whose role needs a second factor, and who has none, to the page that adds one."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        user: Any = request.user
        return redirect("admin:second_factor") if user.must_enrol else view(request, *args, **kwargs)

    return checked


def page(request: HttpRequest, context: dict[str, Any]) -> HttpResponseBase:
    """Show the QR code for an authenticator app, and, once its first code is right, the recovery codes."""
    user: Any = request.user
    if user.mfa_enabled:
        return redirect("admin:index")
    form = SecondFactorForm(user, request.POST or None)
    if form.is_valid():
        request.session.cycle_key()
        request.session[PROVEN] = True
        request.session.pop(DEVICE, None)
        return TemplateResponse(
            request, "admin/recovery_codes.html", {**context, "codes": form.recovery_codes}
        )
    enrolment = browser_enrolment.begin(user=user, device_id=request.session.get(DEVICE))
    request.session[DEVICE] = str(enrolment.device_id)
    # An image in a data: address needs no style, which the CSP would refuse.
    qr_code = segno.make(enrolment.uri, micro=False).svg_data_uri(scale=5, light="white")
    shown = {**context, "form": form, "qr_code": qr_code, "secret": enrolment.secret}
    return TemplateResponse(request, "admin/second_factor.html", shown)
