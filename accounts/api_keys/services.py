"""API keys: created after a re-authentication, used, revoked."""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.api_keys.models import ApiKey
from accounts.api_keys.secrets import SHOWN_CHARACTERS, new_secret
from accounts.models import Session, User
from accounts.services.notices import enqueue_notice
from accounts.services.recovery import lock_user, refuse_outranked
from accounts.services.sessions import require_live
from accounts.services.step_up import Reauthentication
from accounts.tokens import digest
from core.audit import services as audit
from core.web.errors import ApiError, FieldError

log = structlog.get_logger(__name__)

MAX_KEYS = 50
MAX_LIFETIME = timedelta(days=366)
DEFAULT_LIFETIME = timedelta(days=365)
USE_INTERVAL = timedelta(minutes=1)
CREATED_NOTICE = "accounts.api_key_created"


class TooManyKeys(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        message = _("You have %(max)s API keys. Revoke one that you do not need.") % {"max": MAX_KEYS}
        super().__init__(message=message)


def create_key(
    *,
    session: Session,
    reauthentication: Reauthentication,
    name: str,
    scopes: list[str],
    expires_at: datetime | None,
) -> tuple[ApiKey, str]:
    """Store a key and return it with its text, which is stored nowhere. Raise TooManyKeys, FieldError for a time that
    is over or too far, and as `Reauthentication.confirm`."""
    now = timezone.now()
    expires_at = expires_at or now + DEFAULT_LIFETIME
    if not now < expires_at <= now + MAX_LIFETIME:
        raise FieldError("expiresAt", "invalid", "Must be in the future, and at most a year from now.")
    user, secret = session.user, new_secret()
    with transaction.atomic():
        lock_user(user)
        reauthentication.confirm(user)
        require_live(session)
        if ApiKey.objects.filter(user=user).live().count() >= MAX_KEYS:
            raise TooManyKeys
        key = ApiKey.objects.create(
            user=user,
            name=name,
            prefix=secret[:SHOWN_CHARACTERS],
            key_hash=digest(secret),
            scopes=scopes,
            created_at=now,
            expires_at=expires_at,
        )
        changes: audit.Changes = {"name": [None, name], "scopes": [[], scopes]}
        audit.record("api_key.created", actor_id=user.pk, target=key, changes=changes)
        enqueue_notice(CREATED_NOTICE, user, expires_in=timedelta(days=2), name=name)
    return key, secret


def revoke_key(*, key: ApiKey, actor: User) -> bool:
    """Revoke the actor's own key, or that of a user whom the actor outranks. Return False if it was revoked before."""
    with transaction.atomic():
        if key.user_id != actor.pk:
            lock_user(key.user)
            refuse_outranked(key.user, actor)
        if not ApiKey.objects.filter(pk=key.pk).revoke("revoked"):
            return False
        audit.record("api_key.revoked", actor_id=actor.pk, target=key)
    return True


def revoke_all(user: User, actor_id: UUID | None, reason: str) -> None:
    """Revoke every key of the user, at a recovery of the account. The caller holds the row."""
    keys = list(ApiKey.objects.filter(user=user).not_revoked())
    if keys:
        ApiKey.objects.filter(pk__in=[key.pk for key in keys]).revoke(reason)
        changes = {"reason": [None, reason]}
        audit.record_many([("api_key.revoked", key, changes) for key in keys], actor_id=actor_id)


def revoke_restored_keys() -> int:
    """Revoke every key after a restore: one that was revoked since the backup must not work again."""
    return ApiKey.objects.all().revoke("restored")


def record_use(key: ApiKey) -> None:
    """Store the time of the last use, at most once a minute. A failed write does not fail the request."""
    now = timezone.now()
    due = now - USE_INTERVAL
    if key.last_used_at is not None and key.last_used_at > due:
        return
    try:
        with transaction.atomic():
            rows = ApiKey.objects.filter(Q(last_used_at=None) | Q(last_used_at__lte=due), pk=key.pk)
            rows.update(last_used_at=now)
    except DatabaseError:
        log.warning("api_key_use_lost", apiKeyId=str(key.pk))


def record_refused(key: ApiKey) -> None:
    """Record the use of a genuine key that is revoked or expired, or whose user is not active. Others are not recorded,
    because anybody can send any number of them."""
    audit.record_bounded("api_key.refused", caller=key.pk, target=key)
