"""The base of every API view: limits before anything else, strict query parameters, rate headers."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import TemplateView
from rest_framework.exceptions import APIException
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.deprecation import Deprecation
from core.api.filters import refuse_unknown
from core.api.parsers import MergePatchParser, StrictJSONParser
from core.api.scopes import Scoped, ScopedCredential
from core.api.serializers import prefers_strict
from core.api.throttling import RateLimit
from core.audit.refusals import record_forbidden
from core.db.retries import repeated, was_undone
from core.web.client_address import is_this_machine
from core.web.errors import ApiError, error_response, translate

View = Callable[..., HttpResponseBase]


class ApiView(Scoped, APIView):
    """`query_parameters` names what this view understands in the query; anything else is a 400.

    `documented_errors` names, by action or method, the codes of the catalogue that are the view's own; those
    that every view can give are known to the schema. `deprecations` announces, by action or method, what ends.
    """

    query_parameters: ClassVar[frozenset[str]] = frozenset()
    repeatable_parameters: ClassVar[frozenset[str]] = frozenset()
    documented_errors: ClassVar[dict[str, tuple[str, ...]]] = {}
    deprecations: ClassVar[dict[str, Deprecation]] = {}
    throttle_scope: ClassVar[str | None] = None
    # Whether REQUIRE_VERIFIED_EMAIL and MFA_REQUIRED_FOR do not count here.
    admits_unverified: ClassVar[bool] = False
    refused_credentials: Exception | None = None
    format_kwarg = None  # no format suffixes: responses are JSON

    @classmethod
    def as_view(cls, *args: Any, **initkwargs: Any) -> Any:
        """Return the view. Raises ImproperlyConfigured for a scope without a rate, which would fail at each request."""
        scope = initkwargs.get("throttle_scope", cls.throttle_scope)
        throttles = initkwargs.get("throttle_classes", cls.throttle_classes)
        is_limited = any(issubclass(each, RateLimit) for each in throttles)
        if is_limited and scope is not None and scope not in settings.THROTTLE_RATES:
            known = ", ".join(sorted(settings.THROTTLE_RATES))
            raise ImproperlyConfigured(
                f"{cls.__name__}.throttle_scope is {scope!r}; THROTTLE_RATES has {known}."
            )
        return super().as_view(*args, **initkwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        neg = self.perform_content_negotiation(request)
        request.accepted_renderer, request.accepted_media_type = neg
        try:
            self.perform_authentication(request)
        except (ApiError, APIException) as error:
            # A refused token is counted against its sender's address: guessing tokens has a price.
            request.user, request.auth = AnonymousUser(), None
            self.refused_credentials = error
        self.check_throttles(request)
        if self.refused_credentials is not None and not self.is_open_to_all(request):
            raise self.refused_credentials
        if isinstance(request.auth, ScopedCredential):
            self.check_scope(request)
        self.check_permissions(request)
        # A method that the view does not have is a 405, whatever the query.
        if request.method != "OPTIONS" and hasattr(self, str(request.method).lower()):
            refuse_unknown(request.query_params, *self.known_parameters())

    def perform_authentication(self, request: Request) -> None:
        """Authenticate by any class, and refuse a user who has to verify the address or to add a factor first."""
        super().perform_authentication(request)
        refusal = getattr(request.user, "api_refusal", None)
        if refusal is not None and not self.admits_unverified:
            raise ApiError(refusal)

    def get_parsers(self) -> list[Any]:
        """Return the parsers of the view. A PATCH of JSON may be named a merge patch too (RFC 7396)."""
        parsers = super().get_parsers()
        takes_patch = self.request is not None and self.request.method == "PATCH"
        is_json = any(isinstance(parser, StrictJSONParser) for parser in parsers)
        return [*parsers, MergePatchParser()] if takes_patch and is_json else parsers

    def is_open_to_all(self, request: Request) -> bool:
        """Return whether the request needs no credentials. Then those that are refused are ignored: an expired token,
        the cookie of a session that has ended."""
        return request.method == "OPTIONS" or all(isinstance(one, AllowAny) for one in self.get_permissions())

    def get_throttle_scope(self) -> str | None:
        """Return the scope that a request counts in by its address. None: by its user, or else as anonymous."""
        return self.throttle_scope

    def may_forbid(self) -> bool:
        """Return whether a role may be refused with 403, for the schema."""
        return bool({type(one) for one in self.get_permissions()} - {AllowAny, IsAuthenticated})

    def known_parameters(self) -> tuple[frozenset[str], frozenset[str]]:
        """Return the parameters that the query may have, and those of them that may be repeated."""
        return self.query_parameters, self.repeatable_parameters

    def check_permissions(self, request: Request) -> None:
        if request.method != "OPTIONS":
            super().check_permissions(request)

    def handle_exception(self, exc: Exception) -> Response:
        if was_undone(exc):
            handler = getattr(self, str(self.request.method).lower())
            try:
                return repeated(lambda: handler(self.request, *self.args, **self.kwargs))
            except Exception as error:  # whatever the handler raises, as the first time
                exc = error
        response: Response = super().handle_exception(exc)
        refusal = translate(exc)
        if refusal is not None and refusal.code == "FORBIDDEN":  # its transaction has been rolled back
            record_forbidden(self.request)
        return response

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        return Response({"methods": self.allowed_methods})

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Return no `Allow` for most responses: it would be computed for each."""
        return {}

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        if response.status_code == 405 or request.method == "OPTIONS":
            response.headers["Allow"] = ", ".join(self.allowed_methods)
        if request.method in {"POST", "PUT", "PATCH"} and prefers_strict(request):
            response.headers["Preference-Applied"] = "handling=strict"
        if self.deprecations:
            action = getattr(self, "action", None) or str(request.method).lower()
            announced = self.deprecations[action].headers if action in self.deprecations else {}
            for name, value in announced.items():
                response.headers[name] = value
        return super().finalize_response(request, response, *args, **kwargs)


class PublicAuthView(ApiView):
    """A view for requests without credentials, limited by address."""

    authentication_classes: Any = ()
    permission_classes = ()
    throttle_classes = (RateLimit,)
    throttle_scope = "auth"


class Page(TemplateView):
    """A page for a person. Its scripts and styles are own files, so the site's own CSP holds."""


class HomePage(Page):
    template_name = "home.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add whether the pages under /dev/ are served to this client."""
        is_developer = settings.DEBUG and is_this_machine(self.request)
        return super().get_context_data(is_developer=is_developer, **kwargs)


def product(_request: HttpRequest) -> dict[str, str]:
    """Give every template the name of the product."""
    return {"product": settings.PRODUCT_NAME}


def allowed(*methods: str) -> Callable[[View], View]:
    """Return a decorator of plain views: other methods are a 405 in the envelope, with `Allow`."""

    def decorate(view: View) -> View:
        @csrf_exempt  # else an unsafe method would be a 403 before it is a 405
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method == "OPTIONS":
                return HttpResponse(status=204, headers={"Allow": ", ".join((*methods, "OPTIONS"))})
            if request.method not in methods:
                response = error_response(ApiError("METHOD_NOT_ALLOWED"), request)
                response["Allow"] = ", ".join((*methods, "OPTIONS"))
                return response
            return view(request, *args, **kwargs)

        return checked

    return decorate
