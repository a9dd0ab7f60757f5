"""The endpoints under /auth/mfa. Each validates, verifies the password where one is needed, and calls one service."""

from functools import partial
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from accounts.auth_views import validated
from accounts.authentication import UserRequest
from accounts.mfa import serializers
from accounts.mfa.services import factors
from accounts.services.sessions import require_live
from accounts.services.step_up import Reauthentication, reauthenticate
from core.api.idempotency import idempotent
from core.api.views import ApiView

CODE_ERRORS = ("MFA_INVALID", "ACCOUNT_LOCKED")


class FactorsView(ApiView):
    admits_unverified = True

    @extend_schema(operation_id="getSecondFactors", responses=serializers.FactorsSerializer)
    def get(self, request: UserRequest) -> Response:
        """Return the second factors of the caller, without secrets."""
        return Response(serializers.FactorsSerializer(factors.factors_of(request.user)).data)


class TotpView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {
        "post": ("CONFLICT", "ACCOUNT_LOCKED", "STEP_UP_REQUIRED"),
        "delete": ("NOT_FOUND", "STEP_UP_REQUIRED", *CODE_ERRORS),
    }

    def reauthenticate(self, request: UserRequest) -> Reauthentication:
        """Verify the password or the step-up, outside of the transaction of the change."""
        values = validated(serializers.ReauthenticationSerializer, request)
        return reauthenticate(session=request.auth, password=values.get("currentPassword"))

    @extend_schema(
        operation_id="startTotp",
        request=serializers.ReauthenticationSerializer,
        responses={201: serializers.EnrolmentSerializer},
    )
    @idempotent(prepare="reauthenticate")
    def post(self, request: UserRequest, *, prepared: Reauthentication) -> Response:
        """Return a secret for an authenticator app (TOTP, RFC 6238). It counts once it is confirmed, within an hour."""
        enrolment = factors.start_totp(session=request.auth, reauthentication=prepared)
        return Response(serializers.EnrolmentSerializer(enrolment).data, status=201)

    @extend_schema(
        operation_id="removeTotp", request=serializers.RemoveFactorSerializer, responses={204: None}
    )
    def delete(self, request: UserRequest) -> Response:
        """Remove the authenticator app. The recovery codes are void with the last second factor."""
        values = validated(serializers.RemoveFactorSerializer, request)
        proven = reauthenticate(session=request.auth, password=values.get("currentPassword"))
        factors.remove_totp(session=request.auth, reauthentication=proven, code=values["code"])
        return Response(status=204)


class ConfirmTotpView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {"post": ("CONFLICT", *CODE_ERRORS)}

    @extend_schema(
        operation_id="confirmTotp",
        request=serializers.CodeSerializer,
        responses=serializers.RecoveryCodesSerializer,
    )
    def post(self, request: UserRequest) -> Response:
        """Confirm the authenticator app by its first code. From now on a log-in needs one."""
        code = validated(serializers.CodeSerializer, request)["code"]
        live = partial(require_live, request.auth)
        return shown(factors.confirm_totp(user=request.user, code=code, require=live))


class RecoveryCodesView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {"post": ("CONFLICT", *CODE_ERRORS)}

    @extend_schema(
        operation_id="renewRecoveryCodes",
        request=serializers.CodeSerializer,
        responses=serializers.RecoveryCodesSerializer,
    )
    def post(self, request: UserRequest) -> Response:
        """Replace the recovery codes. The old ones are void."""
        code = validated(serializers.CodeSerializer, request)["code"]
        return shown(factors.renew_recovery_codes(session=request.auth, code=code))


def shown(codes: list[str]) -> Response:
    values: dict[str, Any] = {"recoveryCodes": codes}
    return Response(serializers.RecoveryCodesSerializer(values).data)
