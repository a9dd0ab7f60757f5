import re
from typing import Any, ClassVar, NamedTuple

from django.conf import settings
from django.db.models import QuerySet
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
from accounts.oidc import services
from accounts.oidc.configuration import Provider
from accounts.oidc.exchange import Claims
from accounts.oidc.models import Identity
from accounts.oidc.serializers import (
    PROVIDERS,
    FinishSerializer,
    IdentitySerializer,
    LinkSerializer,
    StartResponse,
    StartSerializer,
)
from accounts.services.step_up import Reauthentication, reauthenticate
from accounts.tokens import new_jti
from core.api.idempotency import idempotent
from core.api.views import ApiView, PublicAuthView
from core.api.viewsets import BaseViewSet

BROWSER = cookies.Cookie("__Host-oidc", "dev-oidc", "/", "Lax")
SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def browser_of(request: Request) -> str:
    """Return the secret in the cookie, or an empty string."""
    secret = BROWSER.of(request)
    return secret if SECRET.fullmatch(secret) else ""


class SignInProvidersView(ApiView):
    authentication_classes: Any = ()
    permission_classes = ()

    @extend_schema(responses={200: PROVIDERS})
    def get(self, request: Request) -> Response:
        """Return the providers that users can sign in with."""
        providers = settings.OIDC_PROVIDERS.values()
        return Response([{"provider": each.key, "name": each.name} for each in providers])


class StartSignInView(PublicAuthView):
    documented_errors: ClassVar = {"post": ("NOT_FOUND", "CSRF_FAILED")}

    @extend_schema(request=StartSerializer, responses=StartResponse)
    def post(self, request: Request, provider: str) -> Response:
        """Begin a sign-in, which this browser has to finish within 10 minutes. Sets a cookie."""
        cookies.check_origin(request)
        values = validated(StartSerializer, request)
        chosen = services.provider_of(provider)
        browser = browser_of(request) or new_jti()  # the same one for the tabs of a browser
        url, state = services.start(provider=chosen, redirect_uri=values["redirectUri"], browser=browser)
        response = Response({"authorizationUrl": url, "state": state})
        BROWSER.set(response, browser, round(services.LIFETIME.total_seconds()))
        return response


class FinishSignInView(TokenView):
    documented_errors: ClassVar = {
        "post": (
            *("NOT_FOUND", "CSRF_FAILED", "INVALID_CREDENTIALS", "MFA_REQUIRED", "MFA_INVALID"),
            *("ACCOUNT_SUSPENDED", "ACCOUNT_LOCKED"),
            *("EMAIL_UNVERIFIED", "EMAIL_EXISTS", "REGISTRATION_CLOSED", "CONFLICT"),
        )
    }

    @extend_schema(request=FinishSerializer, responses=LOGIN_RESPONSES, parameters=[DELIVERY])
    def post(self, request: Request, provider: str) -> Response:
        """Open a session by the code of the provider, and create the account if there is none. The browser is that
        of `start`."""
        in_cookies = cookies.wants_cookies(request)
        cookies.check_origin(request)
        values = validated(FinishSerializer, request)
        chosen = services.provider_of(provider)
        mfa_code = values.pop("mfa_code", None)
        claims = services.finish(provider=chosen, browser=browser_of(request), **values)
        pair = services.sign_in(provider=chosen, claims=claims, mfa_code=mfa_code)
        if in_cookies:
            end_replaced_session(request)
        return respond(pair, LOGIN_SERIALIZERS, in_cookies=in_cookies)


class Prepared(NamedTuple):
    reauthentication: Reauthentication
    provider: Provider
    claims: Claims


class IdentityViewSet(BaseViewSet):
    """The accounts at providers that log the caller in."""

    request: UserRequest
    key_scope = None
    queryset = Identity.objects.all()
    serializer_class = IdentitySerializer
    exposed: ClassVar = frozenset({"list", "create", "destroy"})
    sort_fields: ClassVar = {"createdAt": "created_at", "lastUsedAt": "last_used_at", "provider": "provider"}
    documented_errors: ClassVar = {
        "create": ("ACCOUNT_LOCKED", "STEP_UP_REQUIRED", "CONFLICT"),
        "destroy": ("CONFLICT",),
    }

    def get_queryset(self) -> QuerySet[Identity]:
        return Identity.objects.visible_to(self.request.user)

    def authorize(self, request: UserRequest, *args: Any, **kwargs: Any) -> Prepared:
        serializer = LinkSerializer(data=request.data)
        self.validate(serializer)
        values: dict[str, Any] = serializer.validated_data
        provider = services.provider_in_body(values["provider"])
        proof = reauthenticate(session=request.auth, password=values.get("currentPassword"))
        claims = services.finish(
            provider=provider, code=values["code"], state=values["state"], browser=browser_of(request)
        )
        return Prepared(proof, provider, claims)

    @extend_schema(request=LinkSerializer, responses={201: IdentitySerializer})
    @idempotent(prepare="authorize")
    def create(self, request: UserRequest, *args: Any, prepared: Prepared, **kwargs: Any) -> Response:
        """Link the account of a sign-in that this browser has begun by `POST /auth/oidc/{provider}/start`."""
        identity = services.link(session=request.auth, **prepared._asdict())
        headers = {"Location": f"{request.path}/{identity.pk}"}
        return Response(self.get_serializer(identity).data, status=201, headers=headers)

    def destroy(self, request: UserRequest, *args: Any, **kwargs: Any) -> Response:
        """Remove an identity: it logs nobody in any more. 409 if it is the last way in."""
        services.unlink(identity=self.get_object(), session=request.auth)
        return Response(status=204)
