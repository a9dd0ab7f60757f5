"""The endpoints under /auth, and that which undoes a deletion. Each validates, calls one service and responds."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import cookies, serializers
from accounts.authentication import UserRequest, bearer_token
from accounts.lasting_authentication import (
    CookieAuthentication,
    LogoutAuthentication,
    LogoutRequest,
    RefreshAuthentication,
    RefreshRequest,
    clearing_refused_refresh,
    presented_token,
    session_of_refresh_cookie,
)
from accounts.models import User
from accounts.schema import CSRF_AUTH, LOGOUT_AUTH, REFRESH_AUTH
from accounts.services import (
    accounts,
    email_changes,
    passwords,
    registration,
    sessions,
    step_up,
    undeletion,
)
from accounts.services.sessions import TokenPair
from core.api.idempotency import idempotent
from core.api.serializers import refuse_unknown_fields
from core.api.views import ApiView, PublicAuthView
from core.web.errors import translate

DELIVERY = OpenApiParameter(
    "delivery",
    enum=["cookie", "body"],
    description="`cookie` puts the tokens into HttpOnly cookies, and a CSRF token into the body.",
)
LOGIN_SERIALIZERS: Any = {"body": serializers.LoginResponse, "cookie": serializers.CookieLoginResponse}
REFRESH_SERIALIZERS: Any = {"body": serializers.TokensResponse, "cookie": serializers.CookieTokensResponse}
LOGIN_RESPONSES = PolymorphicProxySerializer("AnyLoginResponse", LOGIN_SERIALIZERS, "delivery")
REFRESH_RESPONSES = PolymorphicProxySerializer("AnyTokensResponse", REFRESH_SERIALIZERS, "delivery")


def validated(serializer_class: Any, request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    refuse_unknown_fields(serializer, request.data, request)
    serializer.is_valid(raise_exception=True)
    values: dict[str, Any] = serializer.validated_data
    return values


def respond(pair: TokenPair, by_delivery: Any, *, in_cookies: bool, status: int = 200) -> Response:
    serializer_class = by_delivery["cookie" if in_cookies else "body"]
    response = Response(serializer_class(pair).data, status=status)
    if in_cookies:
        cookies.set_cookies(response, pair)
    return response


def end_replaced_session(request: Request) -> None:
    """End the session whose cookies the response replaces: no browser holds its tokens any more."""
    session = session_of_refresh_cookie(request)
    if session is not None:
        sessions.logout(session=session)


def without_cookies(request: Request) -> Response:
    response = Response(status=204)
    if bearer_token(request) is None:
        cookies.clear_cookies(response)
    return response


class TokenView(PublicAuthView):
    """A view that returns tokens: in the body, or with `?delivery=cookie` in cookies."""

    query_parameters: ClassVar = frozenset({"delivery"})


class RegisterView(TokenView):
    documented_errors: ClassVar = {"post": ("EMAIL_EXISTS", "CSRF_FAILED", "REGISTRATION_CLOSED")}

    def new_user(self, request: Request) -> User:
        registration.require_open_registration()
        cookies.wants_cookies(request)  # to refuse a request before the slow hash
        return accounts.new_user(**validated(serializers.RegisterSerializer, request))

    @extend_schema(
        request=serializers.RegisterSerializer, responses={201: LOGIN_RESPONSES}, parameters=[DELIVERY]
    )
    @idempotent(prepare="new_user")
    def post(self, request: Request, *, prepared: User) -> Response:
        """Create an account and log in. A verification email is sent."""
        in_cookies = cookies.wants_cookies(request)
        pair = accounts.register(user=prepared)
        if in_cookies:
            end_replaced_session(request)
        return respond(pair, LOGIN_SERIALIZERS, in_cookies=in_cookies, status=201)


class LoginView(TokenView):
    documented_errors: ClassVar = {
        "post": (
            *("INVALID_CREDENTIALS", "MFA_REQUIRED", "MFA_INVALID"),
            *("ACCOUNT_SUSPENDED", "ACCOUNT_LOCKED", "CSRF_FAILED"),
        )
    }

    @extend_schema(request=serializers.LoginSerializer, responses=LOGIN_RESPONSES, parameters=[DELIVERY])
    def post(self, request: Request) -> Response:
        """Open a session. Five failures within 15 minutes lock the address for 15 minutes.

        A user with a second factor sends a `code` too; without it the error names the methods in `details`.
        """
        in_cookies = cookies.wants_cookies(request)
        pair = sessions.login(**validated(serializers.LoginSerializer, request))
        if in_cookies:
            end_replaced_session(request)
        return respond(pair, LOGIN_SERIALIZERS, in_cookies=in_cookies)


class RefreshView(TokenView):
    authentication_classes = (RefreshAuthentication,)
    admits_unverified = True

    def is_open_to_all(self, request: Request) -> bool:
        return False

    def get_throttle_scope(self) -> str | None:
        return None if self.request.user.is_authenticated else "auth"

    @extend_schema(
        request=serializers.RefreshSerializer,
        responses=REFRESH_RESPONSES,
        parameters=[DELIVERY],
        auth=REFRESH_AUTH,
    )
    def post(self, request: RefreshRequest) -> Response:
        """Exchange a refresh token for a new pair. A second request within 10 s gets the same pair."""
        in_cookies = cookies.wants_cookies(request)
        token = request.auth or presented_token(request)
        if "refreshToken" in request.data:
            pair = sessions.refresh(token=token)
        else:
            in_cookies = True
            with clearing_refused_refresh():
                pair = sessions.refresh(token=token)
        return respond(pair, REFRESH_SERIALIZERS, in_cookies=in_cookies)


class ForgotPasswordView(PublicAuthView):
    @extend_schema(request=serializers.ForgotPasswordSerializer, responses={202: None})
    def post(self, request: Request) -> Response:
        """Request a reset link. The response is the same for a known and an unknown address."""
        passwords.request_password_reset(**validated(serializers.ForgotPasswordSerializer, request))
        return Response(None, status=202)


class ResetPasswordView(PublicAuthView):
    @extend_schema(request=serializers.ResetPasswordSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set a new password by the token from the email. Ends every session."""
        passwords.reset_password(**validated(serializers.ResetPasswordSerializer, request))
        return Response(status=204)


class VerifyEmailView(PublicAuthView):
    documented_errors: ClassVar = {"post": ("EMAIL_EXISTS",)}

    @extend_schema(request=serializers.TokenSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Verify an address by the token from the email. Repeated: 204 while the account has that address."""
        email_changes.prove_email(**validated(serializers.TokenSerializer, request))
        return Response(status=204)


class UndoEmailChangeView(PublicAuthView):
    documented_errors: ClassVar = {"post": ("EMAIL_EXISTS",)}

    @extend_schema(request=serializers.TokenSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Restore the former address of the account by the token sent to it. Ends every session."""
        email_changes.undo_email_change(**validated(serializers.TokenSerializer, request))
        return Response(status=204)


class NotMeView(PublicAuthView):
    @extend_schema(request=serializers.TokenSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session of an email about a new device by its token, and send a reset link."""
        sessions.disown_session(**validated(serializers.TokenSerializer, request))
        return Response(status=204)


class UndeleteView(PublicAuthView):
    documented_errors: ClassVar = {"post": ("EMAIL_EXISTS",)}

    @extend_schema(request=serializers.TokenSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """Undo the deletion of the own account by the token from the email that confirmed it. Opens no session."""
        undeletion.undelete_account(**validated(serializers.TokenSerializer, request))
        return Response(status=204)


class LogoutView(ApiView):
    authentication_classes = (LogoutAuthentication,)
    admits_unverified = True
    permission_classes = ()

    def check_throttles(self, request: Request) -> None:
        """Count every request, but refuse only those that end no session. Cookies are removed even then."""
        try:
            super().check_throttles(request)
        except Throttled as error:
            if request.user.is_authenticated:
                return
            refusal = translate(error)
            if refusal is None or self.refused_credentials is not None:
                raise
            refusal.finish = cookies.clear_cookies
            raise refusal from error

    def is_open_to_all(self, request: Request) -> bool:
        return False

    @extend_schema(request=None, responses={204: None}, auth=LOGOUT_AUTH)
    def post(self, request: LogoutRequest) -> Response:
        """End this session: its tokens are refused from the next request on. An expired access token is accepted."""
        if request.auth is not None:
            sessions.logout(session=request.auth)
        return without_cookies(request)


class CsrfView(ApiView):
    authentication_classes = (CookieAuthentication,)
    admits_unverified = True

    @extend_schema(responses=serializers.CsrfResponse, auth=CSRF_AUTH)
    def get(self, request: UserRequest) -> Response:
        """Return the CSRF token of the session of the cookies, for a page after a reload."""
        token = cookies.csrf_token(request.auth.pk)
        response = Response({"csrfToken": token})
        if cookies.CSRF.of(request) != token:
            cookies.set_csrf_cookie(response, request.auth)
        return response


class LogoutAllView(ApiView):
    admits_unverified = True

    @extend_schema(request=None, responses={204: None})
    def post(self, request: UserRequest) -> Response:
        """End every session of the caller."""
        sessions.end_all_sessions(user=request.user, actor=request.user)
        return without_cookies(request)


class ChangePasswordView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {"post": ("ACCOUNT_LOCKED",)}

    @extend_schema(request=serializers.ChangePasswordSerializer, responses={204: None})
    def post(self, request: UserRequest) -> Response:
        """Set a new password. Ends every other session."""
        values = validated(serializers.ChangePasswordSerializer, request)
        passwords.change_password(
            session=request.auth, current=values["currentPassword"], new=values["newPassword"]
        )
        return Response(status=204)


class StepUpView(ApiView):
    admits_unverified = True
    documented_errors: ClassVar = {"post": ("MFA_INVALID", "ACCOUNT_LOCKED")}

    @extend_schema(request=serializers.StepUpSerializer, responses={204: None})
    def post(self, request: UserRequest) -> Response:
        """Prove that it is you. For 10 minutes this session needs no `currentPassword`, but to change the password."""
        step_up.step_up(session=request.auth, values=validated(serializers.StepUpSerializer, request))
        return Response(status=204)


class ResendVerificationView(ApiView):
    admits_unverified = True

    @extend_schema(request=None, responses={202: None})
    def post(self, request: UserRequest) -> Response:
        """Send the verification email again to each unverified address: that of the account and a pending one."""
        email_changes.resend_email_verification(user=request.user, actor=request.user)
        return Response(None, status=202)
