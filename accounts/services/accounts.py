"""Accounts: registration, profile, role, deletion and export."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import OneTimeToken, Role, Session, User
from accounts.services.admins import require_another_admin
from accounts.services.email_changes import EmailTaken, change_address, enqueue_verification
from accounts.services.lockout import clear_failures
from accounts.services.passwords import check_rules, hash_password
from accounts.services.recovery import lock_user, refuse_outranked, require_admin
from accounts.services.registration import enqueue_invitation
from accounts.services.sessions import TokenPair, end_all_sessions, open_session
from accounts.services.step_up import Reauthentication, reauthenticate
from accounts.services.suspension import set_status
from accounts.services.undeletion import enqueue_deletion_notice
from core.api.personal_data import export_of
from core.audit import services as audit
from core.web.logs import log_on_commit
from core.web.request_context import identify


def create_account(
    *, email: str, password: str | None, name: str, role: str = Role.USER, actor: User | None = None
) -> User:
    """Create an account, without a password as an invitation. `email` is canonical. Raise EmailTaken, or ApiError for
    a password that breaks the rules."""
    return add_account(user=new_user(email=email, password=password, name=name, role=role), actor=actor)


def create_admin(*, email: str, password: str, name: str) -> User:
    """Create an admin for the operator, on the command line. The operator vouches for the address, so it counts as
    verified, and its lock-out ends. Raises as `create_account`."""
    user = new_user(email=email, password=password, name=name, role=Role.ADMIN)
    user.email_verified_at = timezone.now()
    with transaction.atomic():
        store_user(user, None)
        clear_failures(user.email)
    return user


def new_user(*, email: str, password: str | None = None, name: str, role: str = Role.USER) -> User:
    """Return a user that is not stored yet, because the slow hash must not hold a transaction open. A user without a
    password gets an invitation when it is stored."""
    user = User(email=email, name=name, role=role)
    if password is None:
        user.set_unusable_password()
        return user
    check_rules(password, user, "password")
    user.password = hash_password(password)
    return user


def add_account(*, user: User, actor: User | None = None) -> User:
    """Store a `new_user`. Without an actor it is a registration. Raise EmailTaken."""
    with transaction.atomic():
        store_user(user, actor or user)
        if actor is None:
            identify(user.pk)
            log_on_commit("registered")
    return user


def register(*, user: User) -> TokenPair:
    """Store a `new_user` and open its first session. Raise EmailTaken."""
    with transaction.atomic():
        store_user(user, user)
        pair = open_session(user)
        audit.record("session.opened", actor_id=user.pk, target=pair.session)
        identify(user.pk)
        log_on_commit("registered", sessionId=str(pair.session.pk))
    return pair


def store_user(user: User, actor: User | None) -> None:
    if actor is not None and user.role != Role.USER:
        require_admin(actor)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken from error
    role = {"role": [None, user.role]} if user.role != Role.USER else None
    audit.record("user.created", actor_id=actor.pk if actor else None, target=user, changes=role)
    if user.email_verified:
        return
    if not user.has_usable_password():
        enqueue_invitation(user, actor)
    else:
        enqueue_verification(user, user.email)


def authorize_changes(
    *, user: User, session: Session, changes: dict[str, Any], password: str | None
) -> Reauthentication | None:
    """Return the re-authentication of a user who changes their own address, or None if none is needed. Call it, and
    confirm the result, as `reauthenticate` describes. Raise as it does."""
    if session.user_id == user.pk and changes.get("email", user.email) not in {
        user.email,
        user.pending_email,
    }:
        return reauthenticate(session=session, password=password)
    return None


def update_account(*, user: User, actor: User, changes: dict[str, Any]) -> User:
    """Update `name`, `email`, `role` and `status`, if given. The caller holds the row.

    A new address is stored in `pending_email` until it is verified. The old address gets a notice.
    Raise EmailTaken, LastAdmin, and ApiError for a user of a higher role.
    """
    refuse_outranked(user, actor)
    if "status" in changes:  # first, because it reads the row again
        change_status(user, changes["status"], actor)
    columns = []
    before = {"name": user.name, "pendingEmail": user.pending_email}
    if changes.get("name", user.name) != user.name:
        user.name = changes["name"]
        columns.append("name")
    if changes.get("role", user.role) != user.role:
        change_role(user, changes["role"], actor)
        columns.append("role")
    if "email" in changes and change_address(user, changes["email"]):
        columns.append("pending_email")
    if columns:
        user.save_changes(*columns)
    changed = audit.difference(before, {"name": user.name, "pendingEmail": user.pending_email})
    if changed:
        audit.record("user.updated", actor_id=actor.pk, target=user, changes=changed)
    return user


def change_role(user: User, role: str, actor: User) -> None:
    require_admin(actor)
    if user.role == Role.ADMIN:
        require_another_admin(user)
    audit.record("user.role_changed", actor_id=actor.pk, target=user, changes={"role": [user.role, role]})
    user.role = role


def change_status(user: User, status: str, actor: User) -> None:
    if status != user.status:
        require_admin(actor)
        set_status(user=user, status=status, actor=actor)


def authorize_deletion(*, user: User, session: Session, password: str | None) -> Reauthentication | None:
    """Return the re-authentication of a user who deletes their own account. Raise as `reauthenticate`."""
    return reauthenticate(session=session, password=password) if session.user_id == user.pk else None


def delete_account(*, user: User, actor: User) -> None:
    """Delete softly: sessions end, the address is free again, the data is erased after TRASH_RETENTION. A user who
    deletes the own account gets an email with a link to undo it. The caller holds the row. Raise LastAdmin."""
    with transaction.atomic():
        if user.role == Role.ADMIN:
            require_another_admin(user)
        end_all_sessions(user=user, actor=actor, reason="account_deleted")
        # A link that undoes a change of address works again after an undo of the deletion. Else a thief could void the
        # owner's link by both.
        user.one_time_tokens.exclude(purpose=OneTimeToken.Purpose.EMAIL_UNDO).delete()
        user.soft_delete()
        audit.record("user.deleted", actor_id=actor.pk, target=user)
        if actor.pk == user.pk:
            enqueue_deletion_notice(user)


def export_account(*, user: User, actor: User, request: Any = None) -> dict[str, Any]:
    """Return all personal data of the user, and record the event. Serializers may read the request. Raise ApiError for
    a user of a higher role."""
    refuse_outranked(user, actor)
    data = export_of(user, request)
    audit.record("user.exported", actor_id=actor.pk, target=user)
    return data


def unlock(*, user: User, actor: User) -> None:
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        clear_failures(user.email)
        audit.record("account.unlocked", actor_id=actor.pk, target=user)
