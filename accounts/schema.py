"""Authentication in the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from accounts import cookies


def api_key(place: str, name: str, description: str) -> dict[str, str]:
    return {"type": "apiKey", "in": place, "name": name, "description": description}


def cookie(kind: cookies.Cookie, description: str) -> dict[str, str]:
    text = f"{description} While `DEBUG` is on the server calls it `{kind.plain_name}`."
    return api_key("cookie", kind.secure_name, text)


SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `accessToken` of register, login or refresh.",
    },
    "cookie": cookie(cookies.ACCESS, "Set by register, login and refresh with `delivery=cookie`."),
    "refreshCookie": cookie(
        cookies.REFRESH, f"Set with the access cookie, for the paths under `{cookies.REFRESH.path}`."
    ),
    "csrf": api_key(
        "header",
        "X-CSRFToken",
        "The `csrfToken` of that response or of `/auth/csrf`. Unsafe methods with a cookie require it.",
    ),
}
WITH_COOKIE: dict[str, list[Any]] = {"cookie": [], "csrf": []}
WITH_REFRESH_COOKIE: dict[str, list[Any]] = {"refreshCookie": [], "csrf": []}
# For `extend_schema`: alternatives, of which a request needs one.
CSRF_AUTH: Any = [{"cookie": []}, {"refreshCookie": []}]
LOGOUT_AUTH: Any = [{"bearer": []}, WITH_COOKIE, WITH_REFRESH_COOKIE]
REFRESH_AUTH: Any = [{}, WITH_REFRESH_COOKIE]  # without a scheme for a token in the body


class SessionTokenScheme(OpenApiAuthenticationExtension):
    """The bearer token, or the cookie of a web client with its CSRF token."""

    target_class = "accounts.authentication.SessionTokenAuthentication"
    name = list(SCHEMES)

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{"bearer": []}, {"cookie": []} if auto_schema.method == "GET" else WITH_COOKIE]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return list(SCHEMES.values())
