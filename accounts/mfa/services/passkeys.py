"""Passkeys (WebAuthn): registered by a session, and accepted as a log-in or a step-up.

User verification is always required: a passkey is the device and its PIN or biometry, so it needs no password.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import webauthn
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts import tokens
from accounts.mfa.models import Passkey, WebauthnChallenge
from accounts.mfa.services.codes import MfaInvalid, with_code
from accounts.mfa.services.factors import add_factor, drop_factor, replace_recovery_codes
from accounts.models import Session, Status, User
from accounts.services.passwords import refuse_suspended
from accounts.services.recovery import lock_user
from accounts.services.sessions import TokenPair, enter, require_live
from accounts.services.step_up import Reauthentication
from core.web.errors import ApiError, FieldError

PASSKEY = "passkey"
CHALLENGE_LIFETIME = timedelta(minutes=5)
MAX_PASSKEYS = 20
REQUIRED = UserVerificationRequirement.REQUIRED
Purpose = WebauthnChallenge.Purpose


class InvalidPasskey(ApiError):
    """One error for an unknown passkey, a wrong signature and a challenge that was used or has expired."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__(message=_("The passkey was not accepted. Get new options, and try again."))


# --- the challenge ----------------------------------------------------------------------------------


def store_challenge(purpose: str, challenge: bytes, session: Session | None = None) -> None:
    WebauthnChallenge.objects.create(
        purpose=purpose,
        session=session,
        challenge_hash=tokens.digest(bytes_to_base64url(challenge)),
        expires_at=timezone.now() + CHALLENGE_LIFETIME,
    )


def claim_challenge(
    purpose: str, credential: Mapping[str, Any], session: Session | None = None
) -> bytes | None:
    """Return the challenge that the passkey has signed if it is one of ours. Only one of several parallel calls does:
    the row is deleted."""
    try:
        signed = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))["challenge"]
        challenge = base64url_to_bytes(signed)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    rows = WebauthnChallenge.objects.filter(
        purpose=purpose,
        session=session,
        challenge_hash=tokens.digest(bytes_to_base64url(challenge)),
        expires_at__gt=timezone.now(),
    )
    return challenge if rows.delete()[0] else None


# --- registration -----------------------------------------------------------------------------------


def registration_options(*, session: Session, reauthentication: Reauthentication) -> dict[str, Any]:
    """Return the options of `navigator.credentials.create` for a discoverable passkey."""
    user = session.user
    with transaction.atomic():
        lock_user(user)
        reauthentication.confirm(user)
        require_live(session)
        own = list(Passkey.objects.filter(user=user).values_list("credential_id", flat=True))
        if len(own) >= MAX_PASSKEYS:
            raise ApiError("CONFLICT", message=_("The account has as many passkeys as it may have."))
        options = webauthn.generate_registration_options(
            rp_id=settings.WEBAUTHN_RP_ID,
            rp_name=settings.PRODUCT_NAME,
            user_id=user.pk.bytes,
            user_name=user.email,
            user_display_name=user.name,
            timeout=int(CHALLENGE_LIFETIME.total_seconds()) * 1000,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in own],
        )
        store_challenge(Purpose.REGISTER, options.challenge, session)
    shown: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return shown


def register(*, session: Session, credential: dict[str, Any], name: str) -> tuple[Passkey, list[str] | None]:
    """Store a new passkey. Return it, with ten recovery codes if it is the first second factor. Raise FieldError
    (response), and ApiError (CONFLICT) for one that is registered."""
    refused = FieldError("response", "invalid_passkey", _("The passkey was not accepted."))
    challenge = claim_challenge(Purpose.REGISTER, credential, session)
    if challenge is None:
        raise refused
    try:
        verified = webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=settings.WEBAUTHN_RP_ID,
            expected_origin=settings.WEBAUTHN_ORIGINS,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise refused from error
    user = session.user
    with transaction.atomic():
        lock_user(user)
        require_live(session)
        passkey = Passkey(
            user=user,
            name=name,
            credential_id=bytes_to_base64url(verified.credential_id),
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=credential["response"].get("transports", []),
        )
        try:
            with transaction.atomic():
                passkey.save(force_insert=True)
        except IntegrityError as error:
            raise ApiError("CONFLICT", message=_("This passkey is registered.")) from error
        is_first = not user.mfa_enabled
        add_factor(user, PASSKEY)
        return passkey, replace_recovery_codes(user) if is_first else None


def remove(*, session: Session, passkey: Passkey, reauthentication: Reauthentication, code: str) -> None:
    """Remove a passkey of the caller. Raise MfaInvalid, AccountLocked."""
    user = session.user

    def delete() -> None:
        reauthentication.confirm(user)
        require_live(session)
        if Passkey.objects.filter(pk=passkey.pk).delete()[0]:
            drop_factor(user, PASSKEY, actor=user)

    with_code(user, code, delete)


# --- authentication ---------------------------------------------------------------------------------


def authentication_options() -> dict[str, Any]:
    """Return the options of `navigator.credentials.get`. They name no passkey: the browser shows those that it has."""
    options = webauthn.generate_authentication_options(
        rp_id=settings.WEBAUTHN_RP_ID,
        timeout=int(CHALLENGE_LIFETIME.total_seconds()) * 1000,
        user_verification=REQUIRED,
    )
    store_challenge(Purpose.AUTHENTICATE, options.challenge)
    shown: dict[str, Any] = json.loads(webauthn.options_to_json(options))
    return shown


def verify(credential: dict[str, Any]) -> User:
    """Return the user whose passkey has signed a challenge. Raise InvalidPasskey."""
    challenge = claim_challenge(Purpose.AUTHENTICATE, credential)
    passkey = Passkey.objects.select_related("user").filter(credential_id=credential["id"]).first()
    if challenge is None or passkey is None:
        raise InvalidPasskey
    handle = credential["response"].get("userHandle")
    if handle and handle != bytes_to_base64url(passkey.user_id.bytes):
        raise InvalidPasskey
    try:
        verified = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=settings.WEBAUTHN_RP_ID,
            expected_origin=settings.WEBAUTHN_ORIGINS,
            credential_public_key=bytes(passkey.public_key),
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError) as error:
        raise InvalidPasskey from error
    # A copy of the passkey may be used in parallel: its counter must not be older either.
    unchanged = Passkey.objects.filter(pk=passkey.pk, sign_count=passkey.sign_count)
    if not unchanged.update(sign_count=verified.new_sign_count, last_used_at=timezone.now()):
        raise InvalidPasskey
    return passkey.user


def login(*, credential: dict[str, Any]) -> TokenPair:
    """Open a session by a passkey. Raise InvalidPasskey, AccountSuspended."""
    user = verify(credential)
    if user.status == Status.DELETED:
        raise InvalidPasskey
    refuse_suspended(user)
    with transaction.atomic():
        lock_user(user)
        if (
            not user.is_active
            or not Passkey.objects.filter(user=user, credential_id=credential["id"]).exists()
        ):
            raise InvalidPasskey
        return enter(user)


def verify_step_up(session: Session, credential: dict[str, Any]) -> None:
    """Accept a passkey of the session's user as a proof of a step-up. Raise MfaInvalid."""
    try:
        user = verify(credential)
    except InvalidPasskey as error:
        raise MfaInvalid from error
    if user.pk != session.user_id:
        raise MfaInvalid
