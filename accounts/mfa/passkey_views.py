"""The endpoints of passkeys: registered under /auth/mfa, and a log-in under /auth/passkeys."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import cookies
from accounts.auth_views import (
    DELIVERY,
    LOGIN_RESPONSES,
    LOGIN_SERIALIZERS,
    TokenView,
    end_replaced_session,
    respond,
    validated,
)
from accounts.authentication import UserRequest
from accounts.mfa import serializers
from accounts.mfa.models import Passkey
from accounts.mfa.services import passkeys
from accounts.services.step_up import reauthenticate
from core.api.idempotency import idempotent
from core.api.views import ApiView, PublicAuthView


class PasskeyOptionsView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {"post": ("CONFLICT", "ACCOUNT_LOCKED", "STEP_UP_REQUIRED")}

    @extend_schema(
        operation_id="getPasskeyOptions",
        request=serializers.ReauthenticationSerializer,
        responses={200: serializers.OPTIONS_SCHEMA},
    )
    def post(self, request: UserRequest) -> Response:
        """Return the options for a new passkey. They are valid for five minutes, once, for this session."""
        values = validated(serializers.ReauthenticationSerializer, request)
        proven = reauthenticate(session=request.auth, password=values.get("currentPassword"))
        return Response(passkeys.registration_options(session=request.auth, reauthentication=proven))


class PasskeysView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {"post": ("CONFLICT",)}

    @extend_schema(
        operation_id="addPasskey",
        request=serializers.RegisterPasskeySerializer,
        responses={201: serializers.NewPasskeySerializer},
    )
    @idempotent
    def post(self, request: UserRequest) -> Response:
        """Add the passkey that the browser has created. It is a second factor, and a log-in of its own."""
        values = validated(serializers.RegisterPasskeySerializer, request)
        name = values.pop("name")
        passkey, codes = passkeys.register(session=request.auth, credential=values, name=name)
        shown: dict[str, Any] = serializers.PasskeySerializer(passkey).data
        return Response({**shown, "recoveryCodes": codes}, status=201)


class PasskeyView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {"delete": ("STEP_UP_REQUIRED", "MFA_INVALID", "ACCOUNT_LOCKED")}

    @extend_schema(
        operation_id="removePasskey", request=serializers.RemoveFactorSerializer, responses={204: None}
    )
    def delete(self, request: UserRequest, pk: Any) -> Response:
        """Remove a passkey. The recovery codes are void with the last second factor."""
        passkey = Passkey.objects.filter(pk=pk, user=request.user).first()
        if passkey is None:
            raise Http404
        values = validated(serializers.RemoveFactorSerializer, request)
        proven = reauthenticate(session=request.auth, password=values.get("currentPassword"))
        passkeys.remove(session=request.auth, passkey=passkey, reauthentication=proven, code=values["code"])
        return Response(status=204)


class AssertionOptionsView(PublicAuthView):
    @extend_schema(operation_id="getLoginOptions", request=None, responses={200: serializers.OPTIONS_SCHEMA})
    def post(self, request: Request) -> Response:
        """Return the options for a log-in or a step-up by a passkey. They are valid for five minutes, once."""
        return Response(passkeys.authentication_options())


class PasskeyLoginView(TokenView):
    documented_errors: ClassVar = {"post": ("INVALID_CREDENTIALS", "ACCOUNT_SUSPENDED", "CSRF_FAILED")}

    @extend_schema(
        operation_id="logInWithPasskey",
        request=serializers.AssertPasskeySerializer,
        responses=LOGIN_RESPONSES,
        parameters=[DELIVERY],
    )
    def post(self, request: Request) -> Response:
        """Open a session by a passkey, without a password. A lock-out does not concern it."""
        in_cookies = cookies.wants_cookies(request)
        pair = passkeys.login(credential=validated(serializers.AssertPasskeySerializer, request))
        if in_cookies:
            end_replaced_session(request)
        return respond(pair, LOGIN_SERIALIZERS, in_cookies=in_cookies)
