"""Sessions: opened by a login, extended by a refresh, ended at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from uuid_utils.compat import uuid7

from accounts import tokens
from accounts.mfa.services.codes import MfaInvalid, require_code
from accounts.models import OneTimeToken, Session, Status, User
from accounts.services.notices import enqueue_notice
from accounts.services.passwords import (
    AccountSuspended,
    InvalidCredentials,
    InvalidToken,
    check_credentials,
    enqueue_reset,
    find_token,
)
from accounts.services.recovery import lock_user, refuse_outranked, revoke_credentials, void_open_links
from core.audit import services as audit
from core.db.statements import insert
from core.web import metrics
from core.web import request_context as context
from core.web.errors import ApiError
from core.web.logs import log_on_commit

LOGOUT_ALL = "logout_all"  # the reason of an end that is no recovery


@dataclass(frozen=True, slots=True)
class TokenPair:
    access: str
    refresh: str
    session: Session


class TokenRevoked(ApiError):
    code = "TOKEN_REVOKED"


def login(*, email: str, password: str, code: str | None = None) -> TokenPair:
    """Verify the credentials, and the code of a user who has a second factor, and open a session. Raise as
    `check_credentials`, MfaRequired, MfaInvalid."""
    user = check_credentials(email, password)
    with transaction.atomic():
        # The row is locked until the session is stored. A reset, a suspension or a deletion while the slow hash runs
        # must not miss this session.
        rows = User.objects.not_deleted().filter(pk=user.pk, password=user.password)
        current = rows.select_for_update().first()
        if current is None:
            raise InvalidCredentials
        if current.status == Status.SUSPENDED:
            raise AccountSuspended
        if not current.mfa_enabled or require_code(current, code):
            return enter(current)
    raise MfaInvalid  # after the commit, because the wrong code is counted


def enter(user: User, *, changes: audit.Changes | None = None) -> TokenPair:
    """Open a session for a user who has proven everything that a log-in needs, and record it with these `changes`. The
    caller holds the row."""
    pair = open_session(user)
    user.last_login = pair.session.created_at
    user.save(update_fields=["last_login"])
    metrics.logins_total.labels("success").inc()
    audit.record("session.opened", actor_id=user.pk, target=pair.session, changes=changes)
    enqueue_new_device_notice(pair.session)
    context.identify(user.pk)
    log_on_commit("logged_in", sessionId=str(pair.session.pk))
    return pair


def enqueue_new_device_notice(session: Session) -> None:
    """Enqueue a notice if earlier sessions have other User-Agent headers.

    An updated browser has another header too, so the worker compares the names of the devices.
    """
    earlier = Session.objects.filter(user_id=session.user_id).exclude(pk=session.pk)
    same = Q(user_agent=session.user_agent)
    # None for the first session of a user.
    known = earlier.annotate(same=same).order_by("-same").values_list("same", flat=True).first()
    if known is False:
        enqueue_notice(
            "accounts.new_device",
            session.user,
            expires_in=timedelta(days=2),
            session=str(session.pk),
            user_agent=session.user_agent,
            ip_address=session.ip_address,
        )


def open_session(user: User) -> TokenPair:
    now = timezone.now()
    request = context.current.get()
    jti = tokens.new_jti()
    session = Session(
        id=uuid7(),
        user=user,
        refresh_hash=tokens.digest(jti),
        user_agent=request.user_agent,
        ip_address=request.ip_address,
        created_at=now,
        last_used_at=now,
        rotated_at=now,
        expires_at=expiry(now, now),
    )
    insert(session)
    return pair_for(session, jti)


def expiry(created_at: datetime, rotated_at: datetime) -> datetime:
    """Return when a session ends: a week after its last refresh, at most a month after its login (ASVS 5.0, 7.3)."""
    return min(rotated_at + settings.REFRESH_TOKEN_LIFETIME, created_at + settings.SESSION_LIFETIME)


def pair_for(session: Session, jti: str) -> TokenPair:
    refresh = tokens.refresh_token(
        user_id=session.user_id,
        session_id=session.pk,
        jti=jti,
        now=session.rotated_at,
        expires_at=session.expires_at,
    )
    access = tokens.access_token(user_id=session.user_id, session_id=session.pk, now=timezone.now())
    return TokenPair(access, refresh, session)


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A genuine refresh token of a live session, and the jti values that may follow it; see tokens.child_jtis."""

    claims: tokens.Claims
    session: Session
    digest: str
    children: list[str]

    @property
    def is_good(self) -> bool:
        """True for the current token of its session, and within the grace for the one before."""
        return self.digest == self.session.refresh_hash or self.is_in_grace(self.session)

    def is_in_grace(self, session: Session) -> bool:
        return (
            session.previous_hash == self.digest
            and timezone.now() - session.rotated_at <= settings.REFRESH_GRACE
        )


def presented(*, token: str) -> PresentedToken:
    """Read a refresh token. Raise ApiError for a forged or expired token, and TokenRevoked if its session has ended."""
    claims = tokens.read(token, tokens.REFRESH)
    session = Session.objects.select_related("user").filter(pk=claims.session_id, user=claims.user_id).first()
    if session is None or not session.is_live or not session.user.is_active:
        record_refused_token(claims, session)
        raise TokenRevoked
    return PresentedToken(claims, session, tokens.digest(claims.jti), tokens.child_jtis(claims.jti))


def refresh(*, token: PresentedToken) -> TokenPair:
    """Return a new pair for a refresh token that was not used before.

    The claim is one conditional UPDATE, so one of several parallel calls rotates the token. The other calls, and a
    client that did not receive the response, have the previous token and get the same child within REFRESH_GRACE. Any
    other token was spent before. Then somebody has a copy, and the session ends (RFC 9700, 4.14.2). Raise TokenRevoked.
    """
    now = timezone.now()
    request = context.current.get()
    session = token.session
    rotated = Session.objects.filter(pk=session.pk, refresh_hash=token.digest, ended_at=None).update(
        refresh_hash=tokens.digest(token.children[0]),
        previous_hash=token.digest,
        rotated_at=now,
        last_used_at=now,
        expires_at=expiry(session.created_at, now),
        user_agent=request.user_agent,
        ip_address=request.ip_address,
    )
    session = Session.objects.select_related("user").get(pk=session.pk)
    if session.ended_at is not None:
        record_refused_token(token.claims, session)
        raise TokenRevoked
    if not rotated and not token.is_in_grace(session):
        end_reused(session)
        raise TokenRevoked
    context.identify(session.user_id)
    if rotated:  # even if the row has changed since
        return pair_for(session, token.children[0])
    for child in token.children:
        if tokens.digest(child) == session.refresh_hash:
            return pair_for(session, child)
    raise TokenRevoked  # its child is of a SECRET_KEY that this server does not have: no sign of theft


def record_refused_token(claims: tokens.Claims, session: Session | None) -> None:
    """Record the use of a genuine token of an ended session. Forged tokens are not recorded, because anybody can send
    any number of them. The event of a deleted session names no user, who may have been erased."""
    audit.record_bounded(
        "token.refused", caller=claims.session_id, target=session, changes={"token": [None, claims.kind]}
    )


def end_reused(session: Session) -> None:
    with transaction.atomic():
        lock_user(session.user)
        if Session.objects.filter(pk=session.pk).end("token_reused"):
            audit.record("session.token_reused", actor_id=session.user_id, target=session)
            void_open_links(user=session.user, actor_id=None)
            enqueue_notice("accounts.session_closed", session.user, expires_in=timedelta(days=2))


def logout(*, session: Session) -> None:
    with transaction.atomic():
        if Session.objects.filter(pk=session.pk).end("logout"):
            audit.record("session.closed", actor_id=session.user_id, target=session)


def end_session(*, session: Session, actor: User) -> None:
    """End a session: the actor's own, or that of a user whom the actor outranks."""
    with transaction.atomic():
        if session.user_id != actor.pk:
            lock_user(session.user)
            refuse_outranked(session.user, actor)
        if Session.objects.filter(pk=session.pk).end("ended"):
            audit.record("session.ended", actor_id=actor.pk, target=session)


def end_all_sessions(*, user: User, actor: User | None, reason: str = LOGOUT_ALL) -> int:
    """End every session of the user, in the admin too, and void all links. Return the number of API sessions. A command
    has no actor."""
    actor_id = actor.pk if actor else None
    with transaction.atomic():
        lock_user(user)
        refuse_outranked(user, actor)
        count = user.sessions.end(reason)
        user.session_epoch += 1
        user.save(update_fields=["session_epoch"])
        void_open_links(user=user, actor_id=actor_id)
        if reason != LOGOUT_ALL:
            revoke_credentials(user=user, actor_id=actor_id, reason=reason)
        audit.record("session.all_ended", actor_id=actor_id, target=user, changes={"sessions": [count, 0]})
    return count


def disown_session(*, token: str) -> None:
    """Spend the token of an email about a new device, end its session, and enqueue a reset link. Raise InvalidToken.

    It voids all open links, as other recoveries do: the person of that session knows the password, and may have made
    an address pending whose link still works. The reset link goes to the address that the email went to, unless the
    account has another one by now.
    """
    secret = find_token(token, OneTimeToken.Purpose.NOT_ME)
    with transaction.atomic():
        user = secret.user
        lock_user(user)
        if not user.is_active or not secret.claim():
            raise InvalidToken
        session = secret.session
        if session is not None and Session.objects.filter(pk=session.pk).end("not_me"):
            audit.record("session.disowned", actor_id=user.pk, target=session)
        void_open_links(user=user, actor_id=user.pk)
        revoke_credentials(user=user, actor_id=user.pk, reason="not_me")
        if secret.email == user.email:
            enqueue_reset(user.email)


def require_live(session: Session) -> None:
    """Raise TokenRevoked if the session has ended during the request. Call it under the lock of its user, so that an
    earlier request cannot undo what a log-out everywhere has secured."""
    if not Session.objects.live().filter(pk=session.pk).exists():
        raise TokenRevoked
