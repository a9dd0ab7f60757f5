"""What the OpenAPI document says about authentication."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from accounts.cookies import ACCESS_COOKIE


class SessionTokenScheme(OpenApiAuthenticationExtension):
    """The bearer token, or the cookie of a web client together with its CSRF token."""

    target_class = "accounts.authentication.SessionTokenAuthentication"
    name = ["bearer", "cookie", "csrf"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        with_cookie = ["cookie"] if auto_schema.method == "GET" else ["cookie", "csrf"]
        return [{"bearer": []}, {scheme: [] for scheme in with_cookie}]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The `accessToken` of register, login or refresh.",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": ACCESS_COOKIE,
                "description": "Set by register, login and refresh with `delivery=cookie`.",
            },
            {
                "type": "apiKey",
                "in": "header",
                "name": "X-CSRFToken",
                "description": "The `csrfToken` of that answer; unsafe methods with the cookie need it.",
            },
        ]
