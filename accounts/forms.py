"""Forms of the admin about accounts. The services check the rules, and the forms show refusals at the fields."""

import math
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth.forms import SetPasswordForm
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.addresses import MAX_EMAIL, canonical_email
from accounts.mfa.services import browser_enrolment
from accounts.mfa.services.codes import MAX_CODE, MfaInvalid, MfaRequired, prove
from accounts.models import User
from accounts.services import passwords
from accounts.services.lockout import AccountLocked
from accounts.services.passwords import AccountSuspended
from accounts.validators import MAX_PASSWORD_INPUT, refuse_control_characters
from core.admin.actions import reason
from core.admin.bounded_forms import BoundedForm, BoundedModelForm
from core.admin.forms import VersionedForm
from core.db import counters
from core.web import request_context as context
from core.web.client_address import limit_key
from core.web.errors import ApiError


def password_field(
    label: str, autocomplete: str, help_text: str = "", *, required: bool = True
) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(
        label=label,
        strip=False,
        max_length=MAX_PASSWORD_INPUT,
        widget=widget,
        help_text=help_text,
        required=required,
        empty_value=None,
    )


def locked(refusal: ApiError) -> ValidationError:
    minutes = math.ceil((refusal.retry_after or 0) / 60)
    unit = "minute" if minutes == 1 else "minutes"
    return ValidationError(f"Too many failed attempts. Try again in {minutes} {unit}.", code="locked")


def check_rules(form: Any, field: str, user: User) -> None:
    """Add an error to the field for each rule of the services that the password breaks."""
    password = form.cleaned_data.get(field)
    if password:
        try:
            passwords.check_rules(password, user, field)
        except ApiError as refusal:
            form.add_error(field, [problem["message"] for problem in refusal.details])


class LogInForm(BoundedForm, AdminAuthenticationForm):
    """The log-in form, with the limits of the API and their errors above the form."""

    # Not Django's UsernameField, which normalizes before it validates.
    username = forms.CharField(
        max_length=MAX_EMAIL,
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocapitalize": "none", "autocomplete": "username"}
        ),
    )
    password = password_field("Password", "current-password")
    code = forms.CharField(
        label=_("Code"),
        required=False,
        max_length=MAX_CODE,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code"}),
        help_text=_("Of your authenticator app, or a recovery code. Leave it empty without a second factor."),
    )

    def clean(self) -> dict[str, Any]:
        decision = counters.check("auth", limit_key(context.current.get().limit_address))
        if not decision.allowed:
            raise locked(ApiError("RATE_LIMITED", retry_after=decision.reset))
        try:
            values: dict[str, Any] = super().clean()
            self.check_code(self.get_user(), values.get("code") or None)
            return values
        except AccountLocked as refusal:
            raise locked(refusal) from refusal
        except (MfaRequired, MfaInvalid) as refusal:
            self.add_error("code", refusal.message)
            return self.cleaned_data
        except AccountSuspended as refusal:
            raise ValidationError(refusal.message, code="suspended") from refusal

    def check_code(self, user: Any, code: str | None) -> None:
        """Raise MfaRequired or MfaInvalid if a user with a second factor has not proven it. Without the right to enter
        the admin the form refuses a user before, as it does a wrong password."""
        if user is not None and user.mfa_enabled:
            prove(user, code)


class SecondFactorForm(BoundedForm, forms.Form):
    """The form that adds an authenticator app in the admin."""

    code = forms.CharField(
        label=_("Code of the app"),
        max_length=MAX_CODE,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    password = password_field("Password", "current-password")

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        self.user, self.recovery_codes = user, list[str]()
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.recovery_codes = browser_enrolment.finish(user=self.user, **values)
            except AccountLocked as refusal:
                raise locked(refusal) from refusal
            except MfaInvalid as refusal:
                self.add_error("code", refusal.message)
            except ApiError as refusal:
                self.add_error("password" if refusal.details else None, reason(refusal))
        return values


class ServiceRules:
    """The rules of the services instead of Django's check, which is before the normalization."""

    def validate_password_for_user(
        self,
        user: User,
        password_field_name: str = "password2",  # noqa: S107 - Django's default
    ) -> None:
        check_rules(self, password_field_name, user)


class OwnPasswordForm(ServiceRules, BoundedForm, AdminPasswordChangeForm):
    """The form for one's own password. The lock-out counts a wrong old password."""

    def clean_old_password(self) -> str:
        old: str = self.cleaned_data["old_password"]
        try:
            passwords.check_current_password(self.user, old, field="old_password")
        except AccountLocked as refusal:
            raise locked(refusal) from refusal
        except ApiError as refusal:
            raise ValidationError(reason(refusal), code="wrong_password") from refusal
        return old

    def save(self, commit: bool = True) -> User:
        passwords.set_password(user=self.user, password=self.cleaned_data["new_password1"], actor=self.user)
        return self.user


class NewPasswordForm(ServiceRules, BoundedForm, SetPasswordForm):
    """The form for another user's password. The view saves it, because it has the actor."""


class UserForm(VersionedForm):
    name = forms.CharField(min_length=2, max_length=100, validators=[refuse_control_characters])

    class Meta:
        model = User
        fields = ("name", "groups")


class NewUserForm(BoundedModelForm):
    email = forms.CharField(max_length=MAX_EMAIL, help_text="An email with a link verifies it.")
    name = forms.CharField(min_length=2, max_length=100, validators=[refuse_control_characters])
    password = password_field(
        "Password",
        "new-password",
        "8 to 128 characters, with an upper-case letter and a digit. Without one, the person gets an invitation: a"
        " link to set it, valid for 7 days.",
        required=False,
    )

    class Meta:
        model = User
        fields = ("email", "name", "role")

    def clean_email(self) -> str:
        email = canonical_email(self.cleaned_data["email"])
        if User.objects.with_email(email).exists():
            raise ValidationError("An account with this email exists.", code="taken")
        return email

    def clean(self) -> dict[str, Any] | None:
        values = super().clean() or self.cleaned_data
        check_rules(self, "password", User(email=values.get("email", ""), name=values.get("name", "")))
        return values
