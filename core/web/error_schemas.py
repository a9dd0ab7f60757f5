"""Errors in the OpenAPI document: one shared response for each set of codes that some operation can give."""

import copy
from collections.abc import Collection, Iterable
from typing import Any

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from core.web.errors import CATALOGUE

Schema = dict[str, Any]

REQUEST_ID = "0198c5a47d0e7b3c9a513f0d6e2b8c17"
# What any operation may be asked with, so the example holds wherever the response is used.
DETAIL = {"field": "pagee", "code": "unknown_parameter", "message": "This parameter is not known here."}

# Of one operation among many.
PLACE = {"field": "operations.3.id", "code": "not_found", "message": "There is no such object."}

# What every view can answer. 405 is not among them: it answers what is not in this document.
ALWAYS = frozenset(
    {
        *("VALIDATION_ERROR", "MALFORMED_REQUEST", "NOT_ACCEPTABLE"),
        *("RATE_LIMITED", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"),
    }
)
WITH_TOKEN = frozenset({"UNAUTHORIZED", "TOKEN_EXPIRED", "TOKEN_REVOKED"})
WITH_BODY = frozenset({"PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"})
IDEMPOTENT = frozenset({"IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED"})
SHORT_NAMES = {WITH_TOKEN: "TokenRefused", frozenset({"VALIDATION_ERROR", "MALFORMED_REQUEST"}): "BadRequest"}

HEADERS: dict[str, Schema] = {
    "X-Request-ID": {
        "description": "Names this request in the logs. A client's own is kept where it has this form.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        "example": REQUEST_ID,
    },
    "RateLimit-Limit": {
        "description": "How many requests a window allows.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 100,
    },
    "RateLimit-Remaining": {
        "description": "How many are left of them.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
        "example": 99,
    },
    "RateLimit-Reset": {
        "description": "Seconds until the next window.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 60,
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 5,
    },
    "WWW-Authenticate": {
        "description": "The scheme to authenticate with.",
        "required": True,
        "schema": {"type": "string"},
        "example": 'Bearer realm="api"',
    },
    "ETag": {
        "description": "The version of the object, for If-Match and If-None-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[^"]+"$'},
        "example": '"v1-6448d3f2a1c40"',
    },
    "Idempotency-Replayed": {
        "description": "This is the answer to an earlier request of the same Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    },
    "Location": {
        "description": "The path of the new object.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
        "example": "/api/v1/resources/0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17",
    },
}
# As a header of lists, which have one where they show nothing but the caller's own.
LIST_ETAG: Schema = {
    "description": "The version of the caller's own list, for If-None-Match. A list of everybody's has none.",
    "schema": {"type": "string", "pattern": '^"[^"]+"$'},
    "example": '"0b6f2c1d9e8a4f7c8d3e5a6b7c8d9e0f-9f86d081884c7d65"',
}
LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# These are answered before a request is counted, or where the count can no longer be told.
UNCOUNTED = frozenset({404, 406, 500, 503})
EXTRA_HEADERS = {
    401: ("WWW-Authenticate",),
    **dict.fromkeys((423, 429, 503), ("Retry-After",)),
}

ERROR_CODE: Schema = {
    "type": "string",
    "enum": list(CATALOGUE),
    "description": "\n".join(
        [
            "| status | code | meaning |",
            "|---|---|---|",
            *(f"| {status} | `{code}` | {message} |" for code, (status, message) in CATALOGUE.items()),
        ]
    ),
}
ERROR_DETAIL: Schema = {
    "type": "object",
    "description": "One problem of one field or parameter.",
    "required": ["field", "code", "message"],
    "properties": {
        "field": {
            "type": ["string", "null"],
            "description": "Nested fields dotted, e.g. `tags.0`; null for what belongs to no field.",
        },
        "code": {"type": "string", "minLength": 1},
        "message": {"type": "string", "minLength": 1},
        "params": {
            "type": "object",
            "description": "The values that the message names, where it names any.",
            "additionalProperties": True,
            "examples": [{"max": 25_000_000}],
        },
    },
}
ERROR: Schema = {
    "type": "object",
    "required": ["code", "message", "details", "requestId"],
    "properties": {
        "code": {"$ref": "#/components/schemas/ErrorCode"},
        "message": {"type": "string", "minLength": 1, "description": "For a person to read."},
        "details": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/ErrorDetail"},
            "description": "One for each problem of a VALIDATION_ERROR, or of a bulk operation; otherwise empty.",
        },
        "requestId": {"type": "string", "description": "The X-Request-ID of this answer."},
    },
}


def register(registry: ComponentRegistry, kind: str, name: str, schema: Schema) -> Schema:
    """Make a shared component where there is none of this name yet, and refer to it."""
    # A copy, because hooks write into what they find, and these constants outlive one document.
    component = ResolvedComponent(name=name, type=kind, schema=copy.deepcopy(schema), object=name)
    registry.register_on_missing(component)
    reference: Schema = component.ref
    return reference


def header_refs(registry: ComponentRegistry, names: Iterable[str]) -> Schema:
    kind = ResolvedComponent.HEADER
    return {name: register(registry, kind, name.replace("-", ""), HEADERS[name]) for name in names}


def list_etag(registry: ComponentRegistry) -> Schema:
    return {"ETag": register(registry, ResolvedComponent.HEADER, "ListETag", LIST_ETAG)}


def error_responses(
    registry: ComponentRegistry, codes: Collection[str], detailed: Collection[str] = ()
) -> dict[str, Schema]:
    """{status: reference} for the codes that an operation can give; those of `detailed` say in `details` where."""
    for name, schema in (("ErrorCode", ERROR_CODE), ("ErrorDetail", ERROR_DETAIL), ("Error", ERROR)):
        register(registry, ResolvedComponent.SCHEMA, name, schema)
    by_status: dict[int, list[str]] = {}
    for code, (status, _message) in CATALOGUE.items():  # in the catalogue's order, so that names are stable
        if code in codes:
            by_status.setdefault(status, []).append(code)
    return {
        str(status): error_response(registry, status, group, bool({*group} & {*detailed}))
        for status, group in by_status.items()
    }


def error_response(registry: ComponentRegistry, status: int, codes: list[str], detailed: bool) -> Schema:
    name = SHORT_NAMES.get(frozenset(codes)) or "Or".join(code.title().replace("_", "") for code in codes)
    name += "Here" if detailed else ""
    limits = () if status in UNCOUNTED else LIMIT_HEADERS
    body = register(registry, ResolvedComponent.SCHEMA, f"{name}Answer", error_schema(codes, detailed))
    extra = EXTRA_HEADERS.get(status, ())
    if status == 412 and not detailed:  # of several objects there is no single ETag
        extra = ("ETag",)
    headers = header_refs(registry, ("X-Request-ID", *limits, *extra))
    if "IDEMPOTENCY_IN_PROGRESS" in codes:  # the other conflicts do not go away by waiting
        headers["Retry-After"] = {**HEADERS["Retry-After"], "required": False}
    response = {
        "description": " ".join(f"`{code}`: {CATALOGUE[code][1]}" for code in codes),
        "headers": headers,
        "content": {
            "application/json": {
                "schema": body,
                "examples": {code: {"value": error_example(code, detailed)} for code in codes},
            }
        },
    }
    return register(registry, ResolvedComponent.RESPONSE, name, response)


def error_schema(codes: list[str], detailed: bool) -> Schema:
    """The envelope of an error that can only have these codes."""
    narrowed: Schema = {"code": {"type": "string", "enum": codes}}
    if not detailed and "VALIDATION_ERROR" not in codes:
        narrowed["details"] = {**ERROR["properties"]["details"], "maxItems": 0}
    error = {"allOf": [{"$ref": "#/components/schemas/Error"}, {"type": "object", "properties": narrowed}]}
    properties = {"success": {"type": "boolean", "const": False}, "error": error}
    return {"type": "object", "required": ["success", "error"], "properties": properties}


def error_example(code: str, detailed: bool) -> Schema:
    details = [PLACE] if detailed else [DETAIL] if code == "VALIDATION_ERROR" else []
    error = {"code": code, "message": CATALOGUE[code][1], "details": details, "requestId": REQUEST_ID}
    return {"success": False, "error": error}
