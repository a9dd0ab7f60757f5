"""The security scheme of API keys in the OpenAPI document."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from core.api.scopes import admits_keys, scope_of


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = "accounts.api_keys.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_requirement(self, auto_schema: Any) -> dict[str, list[Any]] | list[Any]:
        if not admits_keys(auto_schema.view, auto_schema.method):
            return []
        scope = scope_of(auto_schema.view, auto_schema.method)
        return {"apiKey": [scope] if scope else []}

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        text = "A key of `POST /auth/api-keys`, `gw_…`, with the scope that the operation names."
        return {"type": "http", "scheme": "bearer", "description": text}
