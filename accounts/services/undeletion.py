"""Undoing of a deletion until the data is erased: by the link in the email that confirms it, or by staff."""

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import OneTimeToken, User
from accounts.services import erasure
from accounts.services.email_changes import EmailTaken
from accounts.services.notices import enqueue_notice
from accounts.services.passwords import InvalidToken, find_token
from accounts.services.recovery import lock_user, queued, refuse_outranked
from core.audit import services as audit

KIND = "accounts.account_deleted"


def enqueue_deletion_notice(user: User) -> None:
    """Enqueue the email that confirms a deletion by the user. The caller is in the transaction of the deletion."""
    enqueue_notice(KIND, user, expires_in=settings.TRASH_RETENTION)


def undelete_account(*, token: str) -> User:
    """Spend the token and take back the deletion. The rows of the account are there again, its sessions are not.

    Raise InvalidToken, or EmailTaken if another account has the address meanwhile, which does not spend the token.
    """
    secret = find_token(token, OneTimeToken.Purpose.UNDELETE)
    try:
        with transaction.atomic():
            user = User.objects.trashed().select_for_update().filter(pk=secret.user_id).first()
            if user is None or not secret.claim():
                raise InvalidToken
            take_back(user, actor=user)
    except IntegrityError as error:
        raise EmailTaken from error
    return user


def restore_account(*, user: User, actor: User) -> bool:
    """Take back a deletion as staff. Return False for an account that is not deleted. Raise EmailTaken as
    `undelete_account`, and ApiError for a user of a higher role."""
    try:
        with transaction.atomic():
            lock_user(user)
            refuse_outranked(user, actor)
            if user.deleted_at is None:
                return False
            take_back(user, actor=actor)
    except IntegrityError as error:
        raise EmailTaken from error
    return True


def take_back(user: User, *, actor: User) -> None:
    """Restore the account, and void the links that would do so. The caller holds the row. Raise IntegrityError if
    another account has the address."""
    user.restore()
    user.one_time_tokens.filter(purpose=OneTimeToken.Purpose.UNDELETE, used_at=None).delete()
    queued(KIND, user=str(user.pk)).delete()
    queued(erasure.KIND, account=str(user.pk)).delete()
    audit.record("user.undeleted", actor_id=actor.pk, target=user)
