"""The address of a file in the OpenAPI document. It returns bytes, outside the envelope of the API."""

from typing import Any

from core.web.error_schemas import Schema, error_example, error_schema, header, plain_response
from core.web.errors import CATALOGUE

MEDIA: Schema = {"schema": {"type": "string", "format": "binary"}, "example": "(the bytes of the file)"}
# The former for generators of clients that know no ranges of media types.
BYTES: Schema = {"content": {"application/octet-stream": MEDIA, "*/*": MEDIA}}
TOKEN = "A signed value from the URL, with the file, its name and the time of expiry."  # noqa: S105
RANGE = "One range of bytes, such as `bytes=0-1023`. The response to several is the whole file."
CONTENT_RANGE = {"Content-Range": header("Which bytes of how many.", "bytes 0-1023/48213", required=False)}
HEADERS: Schema = {
    "Content-Disposition": header(
        "`inline` for images, else `attachment`, with the name: in ASCII, and as it is (RFC 8187).",
        "inline; filename=\"caf_.jpg\"; filename*=utf-8''caf%C3%A9.jpg",
        required=False,
    ),
    "X-Content-Type-Options": header(
        "Content-Type is the real type of the bytes.", "nosniff", required=False
    ),
    "Accept-Ranges": header("Range requests are supported.", "bytes", required=False),
    "ETag": {"$ref": "#/components/headers/ETag"},
}


def parameter(name: str, place: str, description: str, **more: Any) -> Schema:
    return {"name": name, "in": place, "description": description, "schema": {"type": "string"}, **more}


def refusal(code: str, **headers: Schema) -> Schema:
    media = {"schema": error_schema([code], detailed=False), "example": error_example(code, detailed=False)}
    return plain_response(f"`{code}`: {CATALOGUE[code][1]}", media, **headers)


def describe_files(result: Schema, **_context: Any) -> Schema:
    """Add the address of files to the document. A hook of drf-spectacular."""
    operation = {
        "operationId": "getFile",
        "summary": "Get a file by its signed address",
        "description": "The responses of the API have the URLs, valid for 5 minutes. No token is needed, and "
        "no rate limit applies. With files in a bucket the URLs lead to the bucket instead.",
        "tags": ["files"],
        "security": [],
        "parameters": [
            parameter("token", "query", TOKEN, required=True),
            parameter("Range", "header", RANGE),
        ],
        "responses": {
            "200": plain_response("The file.", None, **HEADERS) | BYTES,
            "206": plain_response("The range.", None, **HEADERS, **CONTENT_RANGE) | BYTES,
            "304": plain_response("You hold it already.", None, **HEADERS),
            "403": refusal("FORBIDDEN"),
            "404": refusal("NOT_FOUND"),
            "416": refusal("RANGE_NOT_SATISFIABLE", **CONTENT_RANGE),
            "500": refusal("INTERNAL_ERROR"),
            "503": refusal(
                "SERVICE_UNAVAILABLE", **{"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
            ),
        },
    }
    result["paths"]["/api/v1/files"] = {"get": operation}
    return result
