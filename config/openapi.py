"""What the OpenAPI document says of the product as a whole; drf-spectacular's settings."""

DESCRIPTION = """Accounts, sessions and owner-scoped resources over REST.

Every answer under `/api/v1` is in one envelope: `{"success": true, "data": …}`, lists with `meta` beside it; errors
`{"success": false, "error": {…}}` with a code of `ErrorCode`. Every answer names itself in `X-Request-ID`.

- Unknown fields of a body are ignored; an unknown query parameter is a 400 that names it.
- What belongs to somebody else answers 404, as what does not exist.
- Single objects carry an `ETag`. `If-None-Match` makes an unchanged one a 304, `If-Match` a stale write a 412.
- Every answer that is counted against a rate limit carries the `RateLimit-` headers; past the limit it is a 429.
- A method that is not described here is a 405 with `Allow`; `HEAD` and `OPTIONS` work everywhere.
- Before any operation, plain HTTP is refused with 403 and a `Host` that is not this server's with 400.
"""
SPECTACULAR_SETTINGS = {
    "TITLE": "Groundwork",
    "DESCRIPTION": DESCRIPTION,
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "GET_LIB_DOC_EXCLUDES": "core.openapi.fields.documented_nowhere",
    "ENUM_SUFFIX": "",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "JobStatus": "core.jobs.models.Job.Status",
        "ResourceStatus": "resources.models.Resource.Status",
        "Role": "accounts.models.Role",
    },
    "TAGS": [
        {
            "name": "auth",
            "description": "Accounts begin, log in, and recover here; sessions and their tokens.",
        },
        {
            "name": "users",
            "description": "Accounts. Everybody has their own, also as `me`; an admin has all.",
        },
        {"name": "resources", "description": "The caller's resources, and those in the trash."},
        {
            "name": "tags",
            "description": "The caller's tags. They come into being with the resources that bear them.",
        },
        {
            "name": "jobs",
            "description": "What runs in the background for the caller, such as exports and imports.",
        },
        {"name": "files", "description": "What the signed addresses in other answers lead to."},
        {"name": "health", "description": "For probes: plain JSON without the envelope."},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.openapi.schema.describe_envelope",
    ],
}
