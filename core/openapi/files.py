"""The address of a file in the OpenAPI document. It hands out bytes, outside the envelope of the API."""

from typing import Any

from core.web.error_schemas import error_example, error_schema
from core.web.errors import CATALOGUE

Schema = dict[str, Any]

REQUEST_ID = {"X-Request-ID": {"$ref": "#/components/headers/XRequestID"}}
MEDIA: Schema = {"schema": {"type": "string", "format": "binary"}, "example": "(the bytes of the file)"}
# The former for generators of clients that know no ranges of media types.
BYTES: Schema = {"application/octet-stream": MEDIA, "*/*": MEDIA}
PARAMETERS: list[Schema] = [
    {
        "name": "token",
        "in": "query",
        "required": True,
        "description": "As in the address: it says which file, under which name, and until when, and is signed.",
        "schema": {"type": "string"},
    },
    {
        "name": "Range",
        "in": "header",
        "description": "One range of bytes, such as `bytes=0-1023`. Several are answered with the whole file.",
        "schema": {"type": "string"},
    },
]


def text_header(description: str, example: str) -> Schema:
    return {"description": description, "schema": {"type": "string"}, "example": example}


HEADERS: Schema = {
    **REQUEST_ID,
    "Content-Disposition": text_header(
        "`inline` for images, else `attachment`, with the name: in ASCII, and as it is (RFC 8187).",
        "inline; filename=\"caf_.jpg\"; filename*=utf-8''caf%C3%A9.jpg",
    ),
    "X-Content-Type-Options": text_header("What it is said to be, it is.", "nosniff"),
    "Accept-Ranges": text_header("A part of it may be asked for.", "bytes"),
    "ETag": {"$ref": "#/components/headers/ETag"},
}


def refusal(code: str, **headers: Schema) -> Schema:
    media = {"schema": error_schema([code], detailed=False), "example": error_example(code, detailed=False)}
    content = {"application/json": media}
    return {
        "description": f"`{code}`: {CATALOGUE[code][1]}",
        "headers": {**REQUEST_ID, **headers},
        "content": content,
    }


def add_files(document: Schema) -> None:
    content_range = text_header("Which bytes of how many.", "bytes 0-1023/48213")
    operation = {
        "operationId": "getFile",
        "summary": "Get a file by its signed address",
        "description": "The addresses are in the answers of the API, and live 5 minutes. No token is asked for, and "
        "no limit counts it. With files in a bucket the addresses lead to the bucket instead.",
        "tags": ["files"],
        "security": [],
        "parameters": PARAMETERS,
        "responses": {
            "200": {"description": "The file.", "headers": HEADERS, "content": BYTES},
            "206": {
                "description": "The range.",
                "headers": {**HEADERS, "Content-Range": content_range},
                "content": BYTES,
            },
            "304": {"description": "You hold it already.", "headers": HEADERS},
            "403": refusal("FORBIDDEN"),
            "404": refusal("NOT_FOUND"),
            "416": refusal("RANGE_NOT_SATISFIABLE", **{"Content-Range": content_range}),
            "500": refusal("INTERNAL_ERROR"),
            "503": refusal(
                "SERVICE_UNAVAILABLE", **{"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
            ),
        },
    }
    document["paths"]["/api/v1/files"] = {"get": operation}
