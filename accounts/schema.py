"""What the OpenAPI document says about authentication."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from accounts import cookies

BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `accessToken` of register, login or refresh.",
}
COOKIE = {
    "type": "apiKey",
    "in": "cookie",
    "name": cookies.ACCESS.secure_name,
    "description": "Set by register, login and refresh with `delivery=cookie`. While `DEBUG` is on the server calls it "
    f"`{cookies.ACCESS.plain_name}`.",
}
REFRESH_COOKIE = {
    "type": "apiKey",
    "in": "cookie",
    "name": cookies.REFRESH.secure_name,
    "description": f"Set with the access cookie, for the paths under `{cookies.REFRESH.path}`. While `DEBUG` is on the "
    f"server calls it `{cookies.REFRESH.plain_name}`.",
}
CSRF = {
    "type": "apiKey",
    "in": "header",
    "name": "X-CSRFToken",
    "description": "The `csrfToken` of that answer or of `/auth/csrf`; unsafe methods with a cookie need it.",
}
SCHEMES = {"bearer": BEARER, "cookie": COOKIE, "refreshCookie": REFRESH_COOKIE, "csrf": CSRF}


WITH_COOKIE: dict[str, list[Any]] = {"cookie": [], "csrf": []}
WITH_REFRESH_COOKIE: dict[str, list[Any]] = {"refreshCookie": [], "csrf": []}
# For `extend_schema`: the sets of schemes of which a request needs one.
CSRF_AUTH: Any = [{"cookie": []}, {"refreshCookie": []}]
LOGOUT_AUTH: Any = [{"bearer": []}, WITH_COOKIE, WITH_REFRESH_COOKIE]
REFRESH_AUTH: Any = [{}, WITH_REFRESH_COOKIE]  # a token in the body needs no other


class SessionTokenScheme(OpenApiAuthenticationExtension):
    """The bearer token, or the cookie of a web client together with its CSRF token."""

    target_class = "accounts.authentication.SessionTokenAuthentication"
    name = list(SCHEMES)

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{"bearer": []}, {"cookie": []} if auto_schema.method == "GET" else WITH_COOKIE]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return list(SCHEMES.values())
