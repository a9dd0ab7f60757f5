"""What the OpenAPI document says of the product as a whole; drf-spectacular's settings."""

SPECTACULAR_SETTINGS = {
    "TITLE": "Groundwork",
    "DESCRIPTION": "Accounts, sessions and owner-scoped resources over REST.",
    "LICENSE": {"name": "MIT"},
    "OAS_VERSION": "3.1.1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "GET_LIB_DOC_EXCLUDES": "core.schema_fields.documented_nowhere",
    "ENUM_SUFFIX": "",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
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
        {"name": "health", "description": "For probes: plain JSON without the envelope."},
    ],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "core.schema.describe_envelope",
    ],
}
