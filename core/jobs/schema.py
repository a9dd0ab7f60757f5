"""Jobs, exports and imports in the OpenAPI document."""

import copy
from typing import Any

from core.api.filters import names_parameter
from core.api.serializers import names_of
from core.web.errors import CATALOGUE

Schema = dict[str, Any]

COUNT: Schema = {"type": "integer", "minimum": 0}


def counted(text: str, example: int) -> Schema:
    return {**COUNT, "description": text, "examples": [example]}


EXPORT_RESULT: Schema = {
    "type": "object",
    "title": "Export",
    "required": ["format", "rows", "filename", "contentType", "size", "url"],
    "properties": {
        "format": {"type": "string", "enum": ["csv", "json"]},
        "rows": counted("How many rows the file holds.", 2),
        "filename": {"type": "string", "examples": ["resources-2026-03-14.csv"]},
        "contentType": {"type": "string", "examples": ["text/csv; charset=utf-8"]},
        "size": counted("Bytes.", 512),
        "url": {
            "type": ["string", "null"],
            "description": "Hands the file out without a token, for five minutes: ask for the job again for a new "
            "one. Null when the file has been deleted, by its owner or seven days after the job, and when the role of "
            "the caller is no longer that of the job.",
            "examples": ["/api/v1/files?token=eyJkaXNwb3Np.3Jt0dGhpcyBpcyBub3Q"],
        },
    },
}
ROW_ERROR: Schema = {
    "type": "object",
    "required": ["row", "field", "code", "message"],
    "properties": {
        "row": {
            "type": "integer",
            "minimum": 1,
            "description": "1 is the row below the header; empty rows count.",
        },
        "field": {"type": ["string", "null"], "examples": ["title"]},
        "code": {"type": "string", "examples": ["blank"]},
        "message": {"type": "string", "examples": ["This field may not be blank."]},
    },
}
IMPORT_RESULT: Schema = {
    "type": "object",
    "title": "Import",
    "description": "Also of a job that has failed or was cancelled, once it has done something.",
    "required": [
        *("dryRun", "rows", "created", "updated", "unchanged", "failed"),
        *("ignoredColumns", "errors", "errorsTruncated"),
    ],
    "properties": {
        "dryRun": {
            "type": "boolean",
            "description": "Nothing was written; the counts say what would have been.",
        },
        "rows": counted("How many rows were read, without empty ones.", 3),
        "created": counted("New objects.", 1),
        "updated": counted("Objects that a row has changed.", 1),
        "unchanged": counted("Objects that were as their row says already.", 0),
        "failed": counted("Rows with errors; nothing of them was stored.", 1),
        "ignoredColumns": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Columns of a CSV file that mean nothing here or cannot be written.",
            "examples": [["userId"]],
        },
        "errors": {
            "type": "array",
            "items": ROW_ERROR,
            "description": "By row; no more than the first 1,000.",
        },
        "errorsTruncated": {"type": "boolean", "description": "There were more errors than are listed."},
    },
}
RESULT: Schema = {
    "description": "By kind of job; null before it has one.",
    "oneOf": [EXPORT_RESULT, IMPORT_RESULT, {"type": "null"}],
}
ERROR: Schema = {
    "description": "Why it has failed; null unless it has.",
    "oneOf": [
        {"type": "null"},
        {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "enum": list(CATALOGUE)},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        },
    ],
}


def export_request(schema: Any) -> Schema:
    """The format, and what the list of the same view takes in its query, but for the pages."""
    view = schema.view
    fields = names_parameter(
        "fields", "The columns; `id` is always one.", list(names_of(view.get_serializer_class()))
    )
    lister = copy.copy(schema)
    lister.view = copy.copy(view)
    lister.view.action = "list"
    parameters = [*lister._get_filter_parameters(), fields]
    properties: Schema = {"format": {"type": "string", "enum": ["csv", "json"]}}
    for name in sorted(view.action_parameters.get("list", ())):
        properties[name] = {"type": "string", "description": "As in the list."}
    for parameter in parameters:
        properties[parameter["name"]] = in_body(parameter)
    return {
        "type": "object",
        "required": ["format"],
        "properties": properties,
        "examples": [{"format": "csv", "sort": view.default_sort.split(",")}],
    }


def in_body(parameter: Schema) -> Schema:
    """What may be repeated in a query is a list in a body; a single one need not be."""
    schema = parameter["schema"]
    if schema.get("type") == "array":
        schema = {"anyOf": [schema, schema["items"]]}
    return {**schema, "description": parameter.get("description", "")}
