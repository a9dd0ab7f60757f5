"""The endpoints under /auth: validate, one call, answer."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import serializers as shapes
from accounts.services import accounts, passwords, sessions
from core.views import ApiView, PublicAuthView


def validated(serializer_class: Any, request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


class RegisterView(PublicAuthView):
    @extend_schema(request=shapes.RegisterSerializer, responses={201: shapes.LoginAnswer})
    def post(self, request: Request) -> Response:
        """Create an account and log in. A verification email is sent."""
        pair = accounts.register(**validated(shapes.RegisterSerializer, request))
        return Response(shapes.LoginAnswer(pair).data, status=201)


class LoginView(PublicAuthView):
    @extend_schema(request=shapes.LoginSerializer, responses=shapes.LoginAnswer)
    def post(self, request: Request) -> Response:
        """Open a session. Five failures within 15 minutes lock the address for 15 minutes."""
        pair = sessions.login(**validated(shapes.LoginSerializer, request))
        return Response(shapes.LoginAnswer(pair).data)


class RefreshView(PublicAuthView):
    @extend_schema(request=shapes.RefreshSerializer, responses=shapes.TokensAnswer)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for a new pair. Sent again within 10 s, it gets the same one."""
        pair = sessions.refresh(token=validated(shapes.RefreshSerializer, request)["refreshToken"])
        return Response(shapes.TokensAnswer(pair).data)


class ForgotPasswordView(PublicAuthView):
    @extend_schema(request=shapes.ForgotPasswordSerializer, responses={202: None})
    def post(self, request: Request) -> Response:
        """Ask for a reset link. The answer does not tell whether the address is known."""
        passwords.request_password_reset(**validated(shapes.ForgotPasswordSerializer, request))
        return Response(None, status=202)


class ResetPasswordView(PublicAuthView):
    @extend_schema(request=shapes.ResetPasswordSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set a new password by the mailed token. Ends every session."""
        passwords.reset_password(**validated(shapes.ResetPasswordSerializer, request))
        return Response(status=204)


class VerifyEmailView(PublicAuthView):
    @extend_schema(request=shapes.TokenSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Prove an address by the mailed token."""
        accounts.prove_email(**validated(shapes.TokenSerializer, request))
        return Response(status=204)


class LogoutView(ApiView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """End this session: its tokens stop working with the next request."""
        sessions.logout(session=request.auth)
        return Response(status=204)


class LogoutAllView(ApiView):
    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """End every session of the caller."""
        sessions.end_all_sessions(user=request.user, actor=request.user)
        return Response(status=204)


class ChangePasswordView(ApiView):
    @extend_schema(request=shapes.ChangePasswordSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set a new password. Ends every other session."""
        values = validated(shapes.ChangePasswordSerializer, request)
        passwords.change_password(
            session=request.auth, current=values["currentPassword"], new=values["newPassword"]
        )
        return Response(status=204)


class ResendVerificationView(ApiView):
    @extend_schema(request=None, responses={202: None})
    def post(self, request: Request) -> Response:
        """Send the verification email again, where an address waits to be proven."""
        accounts.resend_proof(user=request.user)
        return Response(None, status=202)
