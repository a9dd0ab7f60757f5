"""Undoing of an own deletion, by the link in the email that confirms it, until the data is erased."""

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import OneTimeToken, User
from accounts.services.email_changes import EmailTaken
from accounts.services.notices import enqueue_notice
from accounts.services.passwords import InvalidToken, find_token
from accounts.services.recovery import queued
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
            user.restore()
            queued(KIND, user=str(user.pk)).delete()
            audit.record("user.undeleted", actor_id=user.pk, target=user)
    except IntegrityError as error:
        raise EmailTaken from error
    return user
