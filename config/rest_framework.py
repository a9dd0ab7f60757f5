"""The settings of Django REST framework: the classes of the API's views."""

SETTINGS = {
    "DEFAULT_RENDERER_CLASSES": ["core.web.renderers.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.api.parsers.StrictJSONParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.SessionTokenAuthentication",
        "accounts.api_keys.authentication.ApiKeyAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["core.api.throttling.RateLimit"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "core.web.renderers.Negotiation",
    "DEFAULT_PAGINATION_CLASS": "core.api.pagination.Pagination",
    # Of plain views. BaseViewSet has its own, which show no rows of others (core/api/filters.py).
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "rest_framework.filters.SearchFilter",
        "rest_framework.filters.OrderingFilter",
    ],
    "DEFAULT_SCHEMA_CLASS": "core.openapi.schema.EnvelopeSchema",
    "EXCEPTION_HANDLER": "core.web.errors.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
