"""The settings of drf-spectacular: title, description, tags and hooks of the OpenAPI document."""

from inspect import getdoc, isclass
from typing import Any

from django.apps import apps
from django.db.models import Choices
from django.utils.functional import SimpleLazyObject

from config import product
from config.local_apps import LOCAL_APPS

DESCRIPTION = """A REST API with accounts and sessions.

Every response under `/api/v1` has one envelope: `{"success": true, "data": …}`, for lists with `meta`; for errors
`{"success": false, "error": {…}}` with a code of `ErrorCode`. Every response has an `X-Request-ID`.

- Unknown fields of a body are ignored; an unknown query parameter is a 400 that names it.
- An object of another user is a 404, like one that does not exist.
- Single objects have an `ETag`. With `If-None-Match` an unchanged one is a 304, with `If-Match` a stale write a 412.
- Every response that counts against a rate limit has the `RateLimit-` headers; above the limit it is a 429.
- A method that is not described here is a 405 with `Allow`; `HEAD` and `OPTIONS` work everywhere.
- Before any operation, plain HTTP is refused with 403 and a `Host` that is not this server's with 400.
"""


def enum_names() -> dict[str, Any]:
    """Return the schema names of enums that several models have, such as `ResourceStatus` for `Resource.Status`.

    Equal choices have one name, which drf-spectacular requires.
    """
    names: dict[str, Any] = {
        "JobStatus": "core.jobs.models.Job.Status",
        "WebhookDeliveryStatus": "core.webhooks.models.WebhookDelivery.Status",
        "Role": "accounts.models.Role",
        "UserStatus": "accounts.models.Status",
        "SettableUserStatus": "accounts.serializers.SETTABLE_STATUSES",
    }
    known: list[Any] = []
    for model in (model for name in LOCAL_APPS for model in apps.get_app_config(name).get_models()):
        for name, member in vars(model).items():
            if isclass(member) and issubclass(member, Choices) and member.choices not in known:
                known.append(member.choices)
                names[f"{model.__name__}{name}"] = member
    return names


def describe_tags(result: dict[str, Any], generator: Any, **_context: Any) -> dict[str, Any]:
    """Add the tags of the local apps, each with the docstring of its viewset."""
    tags = [*result["tags"]]  # that of the result is the list of the settings
    described = {tag["name"] for tag in tags}
    for path, *_method, callback in generator.endpoints:
        name = path.removeprefix("/api/v1/").partition("/")[0]
        if path == f"/api/v1/{name}" and name not in described and hasattr(callback, "cls"):
            described.add(name)
            tags.append({"name": name, "description": getdoc(callback.cls) or ""})
    return {**result, "tags": tags}


SPECTACULAR_SETTINGS = {
    "DESCRIPTION": DESCRIPTION,
    "LICENSE": product.LICENCE,
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "GET_LIB_DOC_EXCLUDES": "core.openapi.fields.undocumented_classes",
    "ENUM_SUFFIX": "",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": SimpleLazyObject(enum_names),
    "TAGS": [
        {
            "name": "auth",
            "description": "Registration, login and password reset; sessions and their tokens.",
        },
        {
            "name": "users",
            "description": "Accounts. Users see their own, also as `me`; an admin sees all.",
        },
        {
            "name": "jobs",
            "description": "Background work of the caller, such as exports and imports.",
        },
        {
            "name": "webhooks",
            "description": "Subscriptions to events of the caller's rows, sent to a URL; the log of deliveries.",
        },
        {"name": "files", "description": "Downloads by the signed URLs in other responses."},
        {"name": "health", "description": "For probes: plain JSON without the envelope."},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.web.health_schema.describe_health",
        "core.files.schema.describe_files",
        "core.openapi.schema.describe_envelope",  # after the others, so that it covers their additions
        "config.openapi.describe_tags",
    ],
}
