"""Accounts: registration, profile, address, role, deletion and erasure."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import OneTimeToken, Role, User, UserQuerySet
from accounts.services.lockout import clear_failures
from accounts.services.passwords import (
    InvalidToken,
    check_current_password,
    check_rules,
    find_token,
    hash_password,
    void_reset_tokens,
)
from accounts.services.sessions import TokenPair, end_all_sessions, open_session
from core import audit, outbox
from core.errors import ApiError, FieldError
from core.export import export_of


class EmailTaken(ApiError):
    code = "EMAIL_EXISTS"


class LastAdmin(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        super().__init__(message="The last admin can neither be demoted nor deleted.")


def create_account(
    *, email: str, password: str, name: str, role: str = Role.USER, actor: User | None = None
) -> User:
    """Raises EmailTaken, or ApiError for a password that breaks the rules. `email` is canonical."""
    return add_account(user=new_user(email=email, password=password, name=name, role=role), actor=actor)


def create_admin(*, email: str, password: str, name: str) -> User:
    """Create an admin for the operator, on the command line. The address counts as verified, because the operator
    vouches for it, and a lock-out of the address ends. Raises as `create_account`."""
    user = new_user(email=email, password=password, name=name, role=Role.ADMIN)
    user.email_verified_at = timezone.now()
    with transaction.atomic():
        store_user(user, None)
        clear_failures(user.email)
    return user


def new_user(*, email: str, password: str, name: str, role: str = Role.USER) -> User:
    """Not stored yet: the slow hash must not hold a transaction open. `add_account` and `register` store it."""
    user = User(email=email, name=name, role=role)
    check_rules(password, user, "password")
    user.password = hash_password(password)
    return user


def add_account(*, user: User, actor: User | None = None) -> User:
    """Raises EmailTaken."""
    with transaction.atomic():
        store_user(user, actor or user)
    return user


def register(*, user: User) -> TokenPair:
    """The account of a `new_user`, and its first session. Raises EmailTaken."""
    with transaction.atomic():
        store_user(user, user)
        pair = open_session(user)
        audit.record("session.opened", actor_id=user.pk, target=pair.session)
    return pair


def store_user(user: User, actor: User | None) -> None:
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken from error
    role = {"role": [None, user.role]} if user.role != Role.USER else None
    audit.record("user.created", actor_id=actor.pk if actor else None, target=user, changes=role)
    if not user.email_verified:
        promise_proof(user, user.email)


def promise_proof(user: User, address: str) -> None:
    outbox.enqueue(
        "accounts.email_proof",
        {"user": str(user.pk), "email": address},
        expires_in=settings.EMAIL_PROOF_LIFETIME,
    )


def resend_proof(*, user: User, actor: User) -> bool:
    """A new link to each address that is not verified, the own and a pending one. False when there is none."""
    own = None if user.email_verified else user.email
    addresses = [address for address in (own, user.pending_email) if address]
    if not addresses:
        return False
    with transaction.atomic():
        for address in addresses:
            promise_proof(user, address)
        audit.record("email.proof_requested", actor_id=actor.pk, target=user)
    return True


def prove_email(*, token: str) -> User:
    """Spend the token: its address is verified, and becomes the account's when it was pending.

    Where the address is the account's and verified already, nothing happens: a link that is opened twice, or after a
    reset by mail, is confirmed again. It can change nothing then, so a change stays single use.
    Raises InvalidToken, or EmailTaken when somebody else has taken the address meanwhile.
    """
    secret = find_token(token, OneTimeToken.Purpose.EMAIL_PROOF, or_spent=True)
    try:
        with transaction.atomic():
            user = User.objects.select_for_update().get(pk=secret.user_id)
            if user.email_verified and user.email == secret.email:
                secret.claim()
                return user
            if secret.email not in {user.email, user.pending_email} or not secret.claim():
                raise InvalidToken
            before = user.email
            user.email, user.email_verified_at = secret.email, timezone.now()
            if user.pending_email == secret.email:
                user.pending_email = None
            user.save_changes("email", "email_verified_at", "pending_email")
            if before != user.email:
                void_reset_tokens(user)
            audit.record(
                "email.verified", actor_id=user.pk, target=user, changes={"email": [before, user.email]}
            )
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def authorize_changes(
    *, user: User, actor: User, changes: dict[str, Any], password: str | None
) -> str | None:
    """Whoever moves their own account to a new address gives their password again. Outside the transaction of
    the change, because a wrong one must be counted. Returns the hash that was verified, for `refuse_replaced` in that
    transaction, or None. Raises ApiError (currentPassword), AccountLocked."""
    if actor.pk == user.pk and changes.get("email", user.email) not in {user.email, user.pending_email}:
        return require_password(user, password)
    return None


def update_account(*, user: User, actor: User, changes: dict[str, Any]) -> User:
    """Apply `name`, `email`, `role`, whichever are given. The caller holds the row.

    A new address waits in `pending_email` until the mail sent there is answered; the old one is told.
    Raises EmailTaken, LastAdmin.
    """
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


def change_address(user: User, address: str) -> bool:
    """Let `address` wait to be proven; the account's own address calls a waiting one off. Says if anything moved."""
    pending = None if address == user.email else address
    if pending == user.pending_email:
        return False
    user.pending_email = pending
    if pending:
        if User.objects.with_email(pending).exists():
            raise EmailTaken
        promise_proof(user, pending)
        outbox.enqueue(
            "accounts.email_change_requested", {"user": str(user.pk), "email": user.email, "new": pending}
        )
    return True


def require_password(user: User, password: str | None) -> str:
    if password is None:
        raise FieldError("currentPassword", "required", "This field is required.")
    check_current_password(user, password)
    return user.password


def change_role(user: User, role: str, actor: User) -> None:
    if user.role == Role.ADMIN:
        keep_an_admin(user)
    audit.record("user.role_changed", actor_id=actor.pk, target=user, changes={"role": [user.role, role]})
    user.role = role


def lock_admins(user: User) -> None:
    """Where `user` is an admin: hold all admins, before the row itself is held. Two admins who remove each other
    must lock in one order, or each would wait for the other."""
    if user.role == Role.ADMIN:
        list(admins().select_for_update())


def keep_an_admin(user: User) -> None:
    """Raises LastAdmin. Locks all admins, so that two of them cannot demote each other at once."""
    if not [admin for admin in admins().select_for_update() if admin.pk != user.pk]:
        raise LastAdmin


def admins() -> UserQuerySet:
    return User.objects.alive().filter(role=Role.ADMIN).order_by("pk")


def authorize_deletion(*, user: User, actor: User, password: str | None) -> str | None:
    """Whoever deletes their own account gives their password. Returns and raises as `authorize_changes`."""
    return require_password(user, password) if actor.pk == user.pk else None


def delete_account(*, user: User, actor: User) -> None:
    """Soft: sessions end, the address is free again, the data is erased after TRASH_RETENTION. The caller holds
    the row. Raises LastAdmin."""
    with transaction.atomic():
        if user.role == Role.ADMIN:
            keep_an_admin(user)
        end_all_sessions(user=user, actor=actor, reason="account_deleted")
        user.one_time_tokens.all().delete()
        user.soft_delete()
        audit.record("user.deleted", actor_id=actor.pk, target=user)


def export_account(*, user: User) -> dict[str, Any]:
    """Everything held about the user. That it was handed out is an event of its own."""
    held = export_of(user)
    audit.record("user.exported", actor_id=user.pk, target=user)
    return held


def unlock(*, user: User, actor: User) -> None:
    with transaction.atomic():
        clear_failures(user.email)
        audit.record("account.unlocked", actor_id=actor.pk, target=user)
