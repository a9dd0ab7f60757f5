"""Shared components of the OpenAPI document: headers, and one response for each set of error codes of an operation."""

import copy
from collections.abc import Collection, Iterable
from typing import Any

from django.db.models import UniqueConstraint
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from core.web.error_details import NO_OBJECT
from core.web.errors import CATALOGUE

Schema = dict[str, Any]

JSON = "application/json"
REQUEST_ID = "0198c5a47d0e7b3c9a513f0d6e2b8c17"
UUID: Schema = {"type": "string", "format": "uuid"}
# Any request may have this parameter, so the example is valid for every operation.
DETAIL = {"field": "pagee", "code": "unknown_parameter", "message": "This parameter is not known here."}
# For an error of one operation of a bulk request.
PLACE = {"field": "operations.3.id", "code": "not_found", "message": NO_OBJECT}

CODE = {"field": "code", "code": "totp", "message": "A code of the authenticator app."}
# The codes that always have `details`, each with an example of one.
DETAILED = {"VALIDATION_ERROR": DETAIL, "MFA_REQUIRED": CODE}

# The codes of every view. 405 is not one: it is the response to a method that this document does not describe.
ALWAYS = frozenset(
    {
        *("VALIDATION_ERROR", "MALFORMED_REQUEST", "NOT_ACCEPTABLE"),
        *("RATE_LIMITED", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"),
    }
)
WITH_TOKEN = frozenset({"UNAUTHORIZED", "TOKEN_EXPIRED", "TOKEN_REVOKED"})
# Of an account that has to do something first, outside of the views that `admits_unverified`.
NOT_READY = frozenset({"EMAIL_UNVERIFIED", "MFA_ENROLLMENT_REQUIRED"})
WITH_BODY = frozenset({"PAYLOAD_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE"})
IDEMPOTENT = frozenset({"IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED"})
SHORT_NAMES = {WITH_TOKEN: "TokenRefused", frozenset({"VALIDATION_ERROR", "MALFORMED_REQUEST"}): "BadRequest"}


def object_of(properties: Schema, *optional: str, **more: Any) -> Schema:
    """Return the schema of an object that has all of the properties but the optional ones."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties, **more}


def part_of_object(schema: Schema) -> Schema:
    """Return the schema of an object as `fields` narrows it: any part may be missing but the id."""
    required = ["id"] if "id" in schema["properties"] else []  # a serializer may show no id
    return {**schema, "required": required, "description": "Whole, or with `fields` only these and `id`."}


def text_of(description: str, example: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, "examples": [example], **more}


def header(description: str, example: Any, schema: Schema | None = None, *, required: bool = True) -> Schema:
    part = {"description": description, "schema": schema or {"type": "string"}, "example": example}
    return {**part, "required": True} if required else part


COUNT = {"type": "integer", "minimum": 1}
TAG = {"type": "string", "pattern": '^"[^"]+"$'}
NAME = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}
PATH = {"type": "string", "format": "uri-reference"}
HEADERS: dict[str, Schema] = {
    "X-Request-ID": header(
        "Names this request in the logs. A client's own is used if it has this form.", REQUEST_ID, NAME
    ),
    "RateLimit-Limit": header("How many requests a window allows.", 100, COUNT),
    "RateLimit-Remaining": header("How many are left of them.", 99, {**COUNT, "minimum": 0}),
    "RateLimit-Reset": header("Seconds until the next window.", 60, COUNT),
    "Retry-After": header("Seconds to wait before the next attempt.", 5, COUNT),
    "WWW-Authenticate": header("The scheme to authenticate with.", 'Bearer realm="api"'),
    "ETag": header("The version of the object, for If-Match and If-None-Match.", '"v1-6448d3f2a1c40"', TAG),
    # A list has one if it shows only the caller's own rows.
    "ListETag": header(
        "The version of the caller's own list, for If-None-Match. A list of everybody's has none.",
        '"0b6f2c1d9e8a4f7c8d3e5a6b7c8d9e0f-9f86d081884c7d65"',
        TAG,
        required=False,
    ),
    "Idempotency-Replayed": {
        "description": "This is the response to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    },
    "Location": header(
        "The path of the new object.", "/api/v1/resources/0198c5a4-7d0e-7b3c-9a51-3f0d6e2b8c17", PATH
    ),
}
LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
# These responses are sent before a request is counted, or without counting it.
UNCOUNTED = frozenset({404, 406, 500, 503})
EXTRA_HEADERS = {401: ("WWW-Authenticate",), **dict.fromkeys((423, 429, 503), ("Retry-After",))}

ROWS = [f"| {status} | `{code}` | {message} |" for code, (status, message) in CATALOGUE.items()]
ERROR_CODE: Schema = {
    "type": "string",
    "enum": list(CATALOGUE),
    "description": "\n".join(["| status | code | meaning |", "|---|---|---|", *ROWS]),
}
ERROR_DETAIL = object_of(
    {
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
    "params",
    description="One problem of one field or parameter.",
)
DETAILS: Schema = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/ErrorDetail"},
    "description": "One for each problem of a VALIDATION_ERROR or a bulk operation, and for each method of an"
    " MFA_REQUIRED; in FORBIDDEN the scope that an API key needs; otherwise empty.",
}
ERROR = object_of(
    {
        "code": {"$ref": "#/components/schemas/ErrorCode"},
        "message": {"type": "string", "minLength": 1, "description": "For a person to read."},
        "details": DETAILS,
        "requestId": {"type": "string", "description": "The X-Request-ID of this response."},
    }
)


def register(registry: ComponentRegistry, kind: str, name: str, schema: Schema) -> Schema:
    """Register a shared component unless the name is registered, and return a reference to it."""
    # A copy, because hooks change the components, and several documents use these constants.
    component = ResolvedComponent(name=name, type=kind, schema=copy.deepcopy(schema), object=name)
    registry.register_on_missing(component)
    reference: Schema = component.ref
    return reference


def header_refs(registry: ComponentRegistry, names: Iterable[str]) -> Schema:
    kind = ResolvedComponent.HEADER
    return {name: register(registry, kind, name.replace("-", ""), HEADERS[name]) for name in names}


def error_responses(registry: ComponentRegistry, codes: Collection[str], detailed: Collection[str]) -> Schema:
    """Return {status: reference} for the codes that an operation can give. The errors of `detailed` have `details`."""
    for name, schema in (("ErrorCode", ERROR_CODE), ("ErrorDetail", ERROR_DETAIL), ("Error", ERROR)):
        register(registry, ResolvedComponent.SCHEMA, name, schema)
    by_status: dict[int, list[str]] = {}
    for code in filter(codes.__contains__, CATALOGUE):  # in the catalogue's order, so that names are stable
        by_status.setdefault(CATALOGUE[code][0], []).append(code)
    return {
        str(status): error_response(registry, status, group, bool({*group} & {*detailed}))
        for status, group in by_status.items()
    }


def has_conflict(codes: Iterable[str]) -> bool:
    """Return whether the view itself names its 409."""
    return any(CATALOGUE[code][0] == 409 for code in codes)


def may_conflict(model: Any, action: str) -> bool:
    """Return whether the database may refuse what this action writes, as a value that another row has."""
    if model is None or action not in {"create", "update", "partial_update", "restore"}:
        return False
    constraints = [item for item in model._meta.constraints if isinstance(item, UniqueConstraint)]
    if action == "restore":  # of rows that no longer met the condition
        return any(item.condition is not None for item in constraints)
    columns = [column for column in model._meta.concrete_fields if column.unique and not column.primary_key]
    return bool(constraints or columns or model._meta.unique_together)


def error_response(registry: ComponentRegistry, status: int, codes: list[str], detailed: bool) -> Schema:
    name = SHORT_NAMES.get(frozenset(codes)) or "Or".join(code.title().replace("_", "") for code in codes)
    name += "Here" if detailed else ""
    limits = () if status in UNCOUNTED else LIMIT_HEADERS
    body = register(registry, ResolvedComponent.SCHEMA, f"{name}Response", error_schema(codes, detailed))
    extra = EXTRA_HEADERS.get(status, ())
    if status == 412 and not detailed:  # several objects have no single ETag
        extra = ("ETag",)
    headers = header_refs(registry, ("X-Request-ID", *limits, *extra))
    if "IDEMPOTENCY_IN_PROGRESS" in codes:  # waiting does not resolve the other conflicts
        headers["Retry-After"] = {**HEADERS["Retry-After"], "required": False}
    examples = {code: {"value": error_example(code, detailed)} for code in codes}
    description = " ".join(f"`{code}`: {CATALOGUE[code][1]}" for code in codes)
    content = {JSON: {"schema": body, "examples": examples}}
    response = {"description": description, "headers": headers, "content": content}
    return register(registry, ResolvedComponent.RESPONSE, name, response)


def error_schema(codes: list[str], detailed: bool) -> Schema:
    """Return the envelope of an error that can only have these codes."""
    narrowed: Schema = {"code": {"type": "string", "enum": codes}}
    if not detailed and not {*codes} & {*DETAILED}:
        narrowed["details"] = {**DETAILS, "maxItems": 1 if "FORBIDDEN" in codes else 0}
    error = {"allOf": [{"$ref": "#/components/schemas/Error"}, {"type": "object", "properties": narrowed}]}
    return object_of({"success": {"type": "boolean", "const": False}, "error": error})


def error_example(code: str, detailed: bool) -> Schema:
    details = [PLACE] if detailed else [DETAILED[code]] if code in DETAILED else []
    error = {"code": code, "message": CATALOGUE[code][1], "details": details, "requestId": REQUEST_ID}
    return {"success": False, "error": error}


def plain_response(description: str, media: Schema | None, **headers: Schema) -> Schema:
    """Return the response of a plain Django view, outside the envelope of the API."""
    refs = {"X-Request-ID": {"$ref": "#/components/headers/XRequestID"}, **headers}
    content = {"content": {JSON: media}} if media else {}
    return {"description": description, "headers": refs, **content}
