"""The actions of staff on an account: buttons of its page, and actions of the list. The services check the rules."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext_lazy as _
from rest_framework.utils.encoders import JSONEncoder

from accounts.mfa.services import factors
from accounts.models import Role, User
from accounts.services import (
    accounts,
    email_changes,
    erasure,
    lockout,
    passwords,
    registration,
    sessions,
    suspension,
    undeletion,
)
from core.admin.row_actions import RowAction
from core.api.caller import request_of

CHANGE = "accounts.change_user"


def by(service: Callable[..., Any]) -> Callable[[User, User], Any]:
    """Return the service as the `run` of an action."""
    return lambda user, actor: service(user=user, actor=actor)


def end_sessions(user: User, actor: User) -> None:
    sessions.end_all_sessions(user=user, actor=actor, reason="ended")


def export(user: User, actor: User) -> HttpResponse:
    data = accounts.export_account(user=user, actor=actor, request=request_of(user, "GET"))
    name = f"personal-data-{user.pk}.json"
    layout = {"ensure_ascii": False, "indent": 2}
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return JsonResponse(data, encoder=JSONEncoder, json_dumps_params=layout, headers=headers)


def is_not_deleted(user: User) -> bool:
    return user.deleted_at is None


def is_deleted(user: User) -> bool:
    return user.deleted_at is not None


def is_locked(user: User) -> bool:
    return is_not_deleted(user) and user.email in lockout.locks([user.email])


def has_unverified_address(user: User) -> bool:
    return user.is_active and bool(user.pending_email or not user.email_verified)


ROLES = {
    Role.USER: _("The person may not enter the admin any more."),
    Role.STAFF: _("The person may enter the admin, with the permissions of the groups of the account."),
    Role.ADMIN: _("The person may do everything: read, change and erase all accounts."),
}


def to_role(role: Role) -> RowAction:
    return RowAction(
        name=f"make-{role.value}",
        label=_("Make %(role)s") % {"role": role.label.lower()},
        run=lambda user, actor: accounts.update_account(user=user, actor=actor, changes={"role": role.value}),
        done=_("The role is changed"),
        consequence=ROLES.get(
            role, _("The person gets the rights of this role, and loses those of the present one.")
        ),
        applies=lambda user: is_not_deleted(user) and user.role != role,
        in_list=False,
    )


ACTIONS = (
    RowAction(
        name="unlock",
        label=_("Unlock"),
        run=by(accounts.unlock),
        done=_("Unlocked"),
        consequence=_("The failed log-ins are reset, so that the person can log in again at once."),
        permissions=(CHANGE, "accounts.unlock_user"),
        applies=is_locked,
    ),
    RowAction(
        name="send_reset_link",
        label=_("Send a reset link"),
        run=by(passwords.send_reset_link),
        done=_("Reset links enqueued"),
        consequence=_(
            "The person gets an email with a link to set a new password, which works for one hour."
            " Nothing changes until the person uses it. One address gets at most five such emails an hour."
        ),
        permissions=(CHANGE, "accounts.send_reset_link_user"),
        applies=lambda user: user.is_active,
    ),
    RowAction(
        name="end_sessions",
        label=_("End sessions"),
        run=end_sessions,
        done=_("Logged out everywhere"),
        consequence=_(
            "The person is logged out on every device at once, and has to log in again. A change of address that"
            " is not confirmed yet is cancelled, and unused links to set a password no longer work."
        ),
        permissions=(CHANGE, "accounts.end_sessions_user"),
        applies=is_not_deleted,
    ),
    RowAction(
        name="resend_verification",
        label=_("Resend verification"),
        run=by(email_changes.resend_email_verification),
        done=_("Verification emails enqueued"),
        consequence=_("Each address that is not verified yet gets an email with a link to verify it."),
        permissions=(CHANGE,),
        applies=has_unverified_address,
    ),
    RowAction(
        name="cancel_email_change",
        label=_("Cancel the change of address"),
        run=by(email_changes.cancel_email_change),
        done=_("Changes cancelled"),
        consequence=_("The new address is deleted, and the link sent to it no longer works."),
        permissions=(CHANGE,),
        applies=lambda user: bool(user.pending_email) and is_not_deleted(user),
    ),
    RowAction(
        name="invite_again",
        label=_("Invite again"),
        run=by(registration.invite_again),
        done=_("Invitations enqueued"),
        consequence=_(
            "The person gets an email with a new link to set the first password, valid for 7 days."
        ),
        permissions=(CHANGE,),
        applies=lambda user: user.is_active and not user.has_usable_password(),
    ),
    RowAction(
        name="reset_second_factor",
        label=_("Reset the second factor"),
        run=by(factors.reset_second_factor),
        done=_("Reset"),
        consequence=_(
            "Every second factor and recovery code is removed, so that the password alone logs in again. Make sure"
            " that the request is of this person. The person is logged out on every device, and gets an email."
        ),
        permissions=(CHANGE,),
        applies=lambda user: is_not_deleted(user) and user.mfa_enabled,
        in_list=False,
    ),
    RowAction(
        name="suspend",
        label=_("Suspend"),
        run=by(suspension.suspend),
        done=_("Suspended"),
        consequence=_(
            "The person is logged out on every device at once, and cannot log in until the account is"
            " unsuspended. The data remains."
        ),
        permissions=(CHANGE,),
        applies=lambda user: user.is_active,
    ),
    RowAction(
        name="unsuspend",
        label=_("Unsuspend"),
        run=by(suspension.unsuspend),
        done=_("Unsuspended"),
        consequence=_("The person can log in again, with the same password."),
        permissions=(CHANGE,),
        applies=lambda user: is_not_deleted(user) and user.suspended_at is not None,
    ),
    *map(to_role, Role),
    RowAction(
        name="export",
        label=_("Export data"),
        run=export,
        done="",  # the response is the file
        consequence=_(
            "You get a file with all personal data of this person, as the person's own export has it. Send it to"
            " nobody else, and delete it when it is no longer needed."
        ),
        permissions=("accounts.export_user",),
        in_list=False,
    ),
    RowAction(
        name="restore",
        label=_("Restore the account"),
        run=by(undeletion.restore_account),
        done=_("Restored"),
        consequence=_("The account is there again with all of its data. The person has to log in again."),
        permissions=("accounts.delete_user",),
        applies=is_deleted,
        in_list=False,
    ),
    RowAction(
        name="erase",
        label=_("Erase now"),
        run=by(erasure.request_erasure),
        done=_("A worker erases it now"),
        consequence=_(
            "A worker deletes the account and all data that belongs to it now, not only %(days)d days after the"
            " deletion."
            " In the audit log a random pseudonym replaces the person."
        )
        % {"days": settings.TRASH_RETENTION.days},
        permissions=("accounts.erase_user",),
        applies=is_deleted,
        in_list=False,
        is_final=True,
    ),
)
