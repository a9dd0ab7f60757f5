"""Sign-in with a provider, and the identities of users: linked, unlinked, revoked."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import tokens
from accounts.mfa.models import Passkey
from accounts.mfa.services.codes import MfaInvalid, require_code
from accounts.models import Session, User
from accounts.oidc.configuration import Provider
from accounts.oidc.exchange import Claims, authorization_url, claims_for
from accounts.oidc.models import AuthorizationRequest, Identity
from accounts.services.accounts import new_user, store_user
from accounts.services.email_changes import EmailTaken
from accounts.services.notices import enqueue_notice
from accounts.services.passwords import InvalidCredentials, refuse_suspended
from accounts.services.recovery import lock_user
from accounts.services.registration import require_open_registration
from accounts.services.sessions import TokenPair, enter, require_live
from accounts.services.step_up import Reauthentication
from core.audit import services as audit
from core.web import metrics
from core.web.errors import ApiError, FieldError
from core.web.logs import log_on_commit
from core.web.request_context import identify as identify_caller

LIFETIME = timedelta(minutes=10)
MAX_IDENTITIES = 20


class InvalidState(FieldError):
    def __init__(self) -> None:
        super().__init__(
            "state", "invalid_state", "The sign-in has expired, was used, or began in another browser."
        )


class UnverifiedByProvider(ApiError):
    code = "EMAIL_UNVERIFIED"

    def __init__(self, provider: Provider) -> None:
        super().__init__(message=_("%(name)s has not verified your address.") % {"name": provider.name})


class LastWayIn(ApiError):
    code = "CONFLICT"

    def __init__(self) -> None:
        super().__init__(message=_("This is your only way to log in. Set a password first."))


def provider_of(key: str) -> Provider:
    """Return the provider. Raise ApiError NOT_FOUND."""
    provider: Provider | None = settings.OIDC_PROVIDERS.get(key)
    if provider is None:
        raise ApiError("NOT_FOUND")
    return provider


def provider_in_body(key: str) -> Provider:
    """Return the provider that a field names. Raise FieldError."""
    provider: Provider | None = settings.OIDC_PROVIDERS.get(key)
    if provider is None:
        raise FieldError("provider", "unknown_provider", "There is no such provider.")
    return provider


def start(*, provider: Provider, redirect_uri: str, browser: str) -> tuple[str, str]:
    """Store a sign-in of the browser with this secret. Return the address at the provider, and the state. Raise
    FieldError for an address that is not allow-listed, and ProviderUnavailable."""
    if redirect_uri not in provider.redirect_uris:
        raise FieldError("redirectUri", "invalid_redirect_uri", "Is not an address that the operator allows.")
    state, now = tokens.new_jti(), timezone.now()
    url = authorization_url(provider, state=state, browser=browser, redirect_uri=redirect_uri)
    AuthorizationRequest.objects.create(
        state_hash=tokens.digest(state),
        browser_hash=tokens.digest(browser),
        provider=provider.key,
        issuer=provider.issuer,
        redirect_uri=redirect_uri,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    return url, state


def finish(*, provider: Provider, code: str, state: str, browser: str) -> Claims:
    """Spend the state and exchange the code. Call it outside of a transaction: the state stays spent, and providers are
    slow. Raise InvalidState, InvalidCode and ProviderUnavailable."""
    started = AuthorizationRequest.objects.filter(
        state_hash=tokens.digest(state),
        browser_hash=tokens.digest(browser),
        provider=provider.key,
        issuer=provider.issuer,
    ).first()
    if started is None or not started.claim():
        raise InvalidState
    return claims_for(
        code,
        provider,
        state=state,
        browser=browser,
        redirect_uri=started.redirect_uri,
        since=started.created_at,
    )


# --- logging in -----------------------------------------------------------------------------------


def sign_in(*, provider: Provider, claims: Claims, mfa_code: str | None = None) -> TokenPair:
    """Open a session of the user of this identity, or of a new account. Raise AccountSuspended, EmailTaken,
    RegistrationClosed, UnverifiedByProvider; MfaRequired and MfaInvalid for a user who has a second factor."""
    identity = identity_of(provider, claims)
    if identity is not None:
        refuse_suspended(identity.user)
    with transaction.atomic():
        pair = log_in_again(provider, claims, identity, mfa_code) if identity else register(provider, claims)
    if pair is None:  # after the commit, because the wrong code is counted
        raise MfaInvalid
    metrics.sign_ins_total.labels(provider.key, "success").inc()
    return pair


def identity_of(provider: Provider, claims: Claims) -> Identity | None:
    """Return the identity, if its account is not deleted."""
    rows = Identity.objects.of_subject(provider.issuer, claims.subject).filter(user__deleted_at=None)
    identity: Identity | None = rows.select_related("user").first()
    return identity


def log_in_again(
    provider: Provider, claims: Claims, identity: Identity, mfa_code: str | None
) -> TokenPair | None:
    """Open a session, or return None if the code of the second factor is wrong."""
    user = identity.user
    lock_user(user)
    seen = Identity.objects.filter(pk=identity.pk).update(
        last_used_at=timezone.now(),
        provider=provider.key,
        email=claims.email,
        email_verified=claims.email_verified,
    )
    if not seen or not user.is_active:  # unlinked, suspended or deleted meanwhile
        raise InvalidCredentials
    if user.mfa_enabled and not require_code(user, mfa_code, field="mfaCode"):
        return None
    return enter(user, changes={"provider": [None, provider.key]})


def register(provider: Provider, claims: Claims) -> TokenPair:
    """Create an account without a password, whose address the provider has verified. Never log in to an account that
    has the address: only its user links it."""
    if not claims.email_verified:
        raise UnverifiedByProvider(provider)
    if User.objects.with_email(claims.email).exists():
        raise EmailTaken
    require_open_registration()
    user = new_user(email=claims.email, name=claims.name)
    user.email_verified_at = timezone.now()
    store_user(user, user)
    # The identity of a deleted account, whose address is free again.
    Identity.objects.of_subject(provider.issuer, claims.subject).filter(
        user__deleted_at__isnull=False
    ).delete()
    store_identity(user, provider, claims, last_used_at=user.email_verified_at)
    log_on_commit("registered")
    return enter(user, changes={"provider": [None, provider.key]})


def store_identity(user: User, provider: Provider, claims: Claims, **values: object) -> Identity:
    """Store and record it. Raise ApiError CONFLICT if it is of another user."""
    try:
        with transaction.atomic():
            identity = Identity.objects.create(
                user=user,
                provider=provider.key,
                issuer=provider.issuer,
                subject=claims.subject,
                email=claims.email,
                email_verified=claims.email_verified,
                **values,
            )
    except IntegrityError as error:
        raise ApiError("CONFLICT", message=_("This identity is linked to an account already.")) from error
    audit.record(
        "identity.linked", actor_id=user.pk, target=identity, changes={"provider": [None, provider.key]}
    )
    return identity


# --- the identities of a user -----------------------------------------------------------------------


def link(
    *, session: Session, reauthentication: Reauthentication, provider: Provider, claims: Claims
) -> Identity:
    """Link an identity to the account of the session, and enqueue a notice. Raise ApiError CONFLICT, TokenRevoked, and
    as `Reauthentication.confirm`."""
    user = session.user
    with transaction.atomic():
        lock_user(user)
        reauthentication.confirm(user)
        require_live(session)
        if user.identities.count() >= MAX_IDENTITIES:
            message = _("You have %(max)s identities. Unlink one first.") % {"max": MAX_IDENTITIES}
            raise ApiError("CONFLICT", message=message)
        rows = Identity.objects.of_subject(provider.issuer, claims.subject)
        rows.filter(user__deleted_at__isnull=False).delete()
        identity = store_identity(user, provider, claims)
        enqueue_notice("accounts.identity_linked", user, expires_in=timedelta(days=2), provider=provider.name)
        identify_caller(user.pk)
    return identity


def unlink(*, identity: Identity, session: Session) -> None:
    """Unlink an identity of the own account, and enqueue a notice. Raise LastWayIn, and TokenRevoked."""
    user = session.user
    with transaction.atomic():
        lock_user(user)
        require_live(session)
        configured = [provider.issuer for provider in settings.OIDC_PROVIDERS.values()]
        others = user.identities.exclude(pk=identity.pk).filter(issuer__in=configured)
        passkeys = Passkey.objects.filter(user=user)
        if not (user.has_usable_password() or others.exists() or passkeys.exists()):
            raise LastWayIn
        audit.record(
            "identity.unlinked",
            actor_id=user.pk,
            target=identity,
            changes={"provider": [identity.provider, None]},
        )
        identity.delete()
        provider = settings.OIDC_PROVIDERS.get(identity.provider)
        enqueue_notice(
            "accounts.identity_unlinked",
            user,
            expires_in=timedelta(days=2),
            provider=provider.name if provider else identity.provider,
        )


def revoke_foreign(user: User, actor_id: UUID | None, reason: str) -> None:
    """Unlink what may be a thief's, at a recovery of the account: every identity but those with its own address, which
    the provider has verified. The caller holds the row. A suspension and a deletion unlink nothing: both may end."""
    if reason in {"suspended", "account_deleted"}:
        return
    identities = list(Identity.objects.filter(user=user).foreign())
    if identities:
        changes = {"reason": [None, reason]}
        audit.record_many(
            [("identity.unlinked", identity, changes) for identity in identities], actor_id=actor_id
        )
        Identity.objects.filter(pk__in=[identity.pk for identity in identities]).delete()


def settle_restore() -> int:
    """Unlink such identities of all users after a restore, which may have been unlinked since the backup, and delete
    every sign-in that has begun."""
    AuthorizationRequest.objects.all().delete()
    deleted: int = Identity.objects.foreign().delete()[0]
    return deleted
